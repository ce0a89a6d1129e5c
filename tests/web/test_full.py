"""What each caller hears while the till's lanes are full: at once, in a form they know, and with when to come again."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from roony.store import lanes
from roony.store.database import READ_CONNECTIONS
from roony.store.rows import AccountRoute, InboxEvent
from tests.support.served import WEBHOOK, event, request_event, sign
from tests.support.serving import Caller, Company, ServedRoony

SECRET = "whsec_test"


def post(roony: ServedRoony, said: dict[str, Any]) -> httpx2.Response:
    """Stripe posts an event."""
    body = json.dumps(said).encode()
    signature = sign(body, SECRET, roony.context.clock() // 1_000_000)
    headers = {"Stripe-Signature": signature}
    return httpx2.post(f"{roony.url}{WEBHOOK}", content=body, headers=headers, timeout=30, trust_env=False)


def refused_busy(nobody: Caller) -> int:
    """The metric."""
    [count] = re.findall(r"^roony_till_refused_busy_total (\d+)$", nobody.call("GET", "/metrics").text, re.MULTILINE)
    return int(count)


def test_a_full_till_is_a_decline_to_the_network_and_a_503_to_everybody_else(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, agent = company.agent()
    nobody = roony.caller()
    roony.books.put(AccountRoute("acct_full", 0, company.id, "con_full"))
    now, before = roony.context.clock() // 1_000_000, refused_busy(nobody)
    monkeypatch.setattr(lanes, "MAX_WAITING", 0)
    request = post(roony, request_event("acct_full", "ic_1", 100, "Figma", now))
    assert (request.status_code, request.json()) == (200, {"approved": False, "metadata": {"code": "BUSY"}})
    assert refused_busy(nobody) == before + 1
    card = event("acct_full", "issuing_card.updated", {"id": "ic_1", "object": "issuing.card"}, now)
    told = post(roony, card)
    wish = {"amount": 1, "currency": "usd", "description": "x", "merchant": {"name": "Figma"}}
    asked = agent.call("POST", "/api/v1/purchase_intents", wish)
    for answer in (told, asked):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0
    monkeypatch.undo()
    # Nothing was left behind, and what is sent again is taken.
    assert roony.books.rows(InboxEvent, id=card["id"]) == []
    assert post(roony, card).status_code == 200
    assert agent.call("POST", "/api/v1/purchase_intents", wish).status_code == 201


def test_a_page_that_finds_no_free_connection_is_a_503_and_a_decision_is_not_kept_waiting(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers share some connections; the till has one of its own."""
    engine = roony.context.database.engine
    monkeypatch.setattr(engine.pool, "_timeout", 0.01)
    with ExitStack() as stack:
        for _ in range(READ_CONNECTIONS * 2):
            stack.enter_context(engine.connect())
        answer = company.owner.call("GET", "/api/v1/admin/agents")
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
        assert roony.context.till.write_and_wait(lambda _writer: "written") == "written"
    assert company.owner.get("/api/v1/admin/agents")["data"] == []
