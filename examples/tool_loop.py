"""Roony as tools of a language model, in the function-calling format that OpenAI made common.

`TOOLS` goes to the model, `run_tool` answers its calls, `converse` is the loop. The model here is a script, so that
this runs without any network: `python examples/tool_loop.py` with ROONY_URL and ROONY_AGENT_KEY, against
`roony serve --simulate`. For a real one replace `ScriptedModel.complete` by a call to your provider; the messages are
in its format already.

The model never sees a card number: the program that drives the browser gets the card, the model hears "paid".
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

from roony.client import Roony, RoonyError

Json = dict[str, Any]
MAX_TURNS = 10
# A model should not be kept waiting longer: it is told to look again.
PATIENCE_SECONDS = 45.0

TOOLS: list[Json] = [
    {
        "type": "function",
        "function": {
            "name": "check_budget",
            "description": "What may still be spent, for each budget, in cents.",
            "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "request_purchase",
            "description": "Ask to buy one thing. The company's rules, and sometimes a person, decide. Declined is"
            " final: do not ask again for the same thing.",
            "parameters": {
                "type": "object",
                "properties": {
                    "merchant": {"type": "string", "description": "Name of the shop, as on its page"},
                    "amount_cents": {"type": "integer", "minimum": 1, "description": "Full price in US cents"},
                    "description": {"type": "string", "description": "What is bought, and why"},
                },
                "required": ["merchant", "amount_cents", "description"],
                "additionalProperties": False,
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "get_purchase",
            "description": "How a purchase stands; waits a while for a person's decision.",
            "parameters": {
                "type": "object",
                "properties": {"purchase_id": {"type": "string"}},
                "required": ["purchase_id"],
                "additionalProperties": False,
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "pay",
            "description": "Pay for a purchase that is ready, at the shop's checkout.",
            "parameters": {
                "type": "object",
                "properties": {"purchase_id": {"type": "string"}},
                "required": ["purchase_id"],
                "additionalProperties": False,
            },
        },
    },
]


def run_tool(roony: Roony, name: str, arguments: Json, call_id: str) -> Json:
    """Answers one call of the model; a refusal is an answer too, in words the model can use."""
    try:
        if name == "check_budget":
            rows = [row for row in roony.check_budget()["data"] if row["limit"] is not None]
            return {"budgets": [{"period": row["period"], "available_cents": row["available"]} for row in rows]}
        if name == "request_purchase":
            purchase = roony.request_purchase(
                amount=arguments["amount_cents"], currency="usd",
                merchant={"name": arguments["merchant"], "category": "computer_software_stores", "country": "US"},
                description=arguments["description"],
                idempotency_key=call_id,  # the same call again, after a crash of this program, buys nothing twice
            )  # fmt: skip
            return {"purchase_id": purchase["id"], "status": purchase["status"], **purchase["decision"]}
        if name == "get_purchase":
            purchase_id = arguments["purchase_id"]
            found = roony.wait_until_ready(purchase_id, timeout=PATIENCE_SECONDS)
            return {"purchase_id": found["id"], "status": found["status"], **found["decision"]}
        if name == "pay":
            details = roony.get_card(arguments["purchase_id"], purpose="checkout")
            # Here the card goes into the checkout form. Nothing of it is told to the model.
            return {"paid": details["delivery"] == "raw"}
    except RoonyError as error:
        return {"error": {"code": error.code, "message": error.message}}
    except (KeyError, TypeError) as error:
        return {"error": {"code": "wrong_arguments", "message": str(error)}}
    return {"error": {"code": "no_such_tool", "message": name}}


class ScriptedModel:
    """Stands in for a language model: looks at the budget, buys, waits, pays, and reports."""

    def __init__(self, merchant: str, amount_cents: int) -> None:
        self.wish = {"merchant": merchant, "amount_cents": amount_cents, "description": "A month of design software"}

    def complete(self, messages: list[Json], tools: list[Json]) -> Json:
        """The model's next message to this conversation."""
        last = json.loads(messages[-1]["content"]) if messages[-1]["role"] == "tool" else None
        if last is None:
            return self._call("check_budget", {})
        if "budgets" in last:
            return self._call("request_purchase", self.wish)
        if last.get("status") in ("awaiting_approval", "issuing"):
            return self._call("get_purchase", {"purchase_id": last["purchase_id"]})
        if last.get("status") == "ready":
            return self._call("pay", {"purchase_id": last["purchase_id"]})
        return {"role": "assistant", "content": "Paid." if last.get("paid") else f"Not bought: {json.dumps(last)}"}

    def _call(self, name: str, arguments: Json) -> Json:
        function = {"name": name, "arguments": json.dumps(arguments)}
        call_id = f"call_{uuid.uuid4().hex}"
        return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}


def converse(roony: Roony, model: ScriptedModel, task: str) -> str:
    """Lets the model work on a task with the tools, at most MAX_TURNS turns; returns its last words."""
    messages: list[Json] = [{"role": "user", "content": task}]
    for _ in range(MAX_TURNS):
        message = model.complete(messages, TOOLS)
        messages.append(message)
        if not message.get("tool_calls"):
            return str(message["content"])
        for call in message["tool_calls"]:
            name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
            answer = run_tool(roony, name, arguments, call["id"])
            print(f"{name}({json.dumps(arguments)}) -> {json.dumps(answer)}", flush=True)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(answer)})
    return "Gave up: too many turns."


if __name__ == "__main__":
    try:
        with Roony() as client:
            print(converse(client, ScriptedModel("Figma", 4_900), "Get us a month of Figma."))
    except ValueError as error:
        sys.exit(str(error))
