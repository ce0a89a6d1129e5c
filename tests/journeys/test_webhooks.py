"""A system hears of a purchase with approval from its asking to its settlement, and of what it missed while down."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook

from roony.core.notification import WAITS
from tests.support.commands import run_roony
from tests.support.receiver import Receiver, Reply
from tests.support.served import Simulation, unique, until

ENDPOINTS = "/api/v1/admin/webhook_endpoints"
PRICE = 12_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def command(roony: Simulation, *arguments: str) -> Any:
    """`roony webhook …` as the owner types it; its JSON."""
    who = {"ROONY_ADMIN_KEY": roony.ready["admin_key"], "ROONY_URL": roony.url}
    run = run_roony("webhook", *arguments, "--json", **who)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def told_of(receiver: Receiver, purchase_id: str) -> list[str]:
    """The types that came about one purchase, in the order they came."""
    bodies = [json.loads(one.body) for one in receiver.arrived]
    return [body["type"] for body in bodies if body["data"].get("purchase_id") == purchase_id]


def test_a_purchase_is_told_of_from_its_asking_to_its_settlement(roony: Simulation, receiver: Receiver) -> None:
    made = command(roony, "add", receiver.url, "--description", "books")
    assert [row["id"] for row in command(roony, "list")["data"]] == [made["id"]]
    buyer = roony.buyer(controls={"approval_threshold": PRICE - 1})
    purchase = buyer.ask(PRICE, unique("GitHub"))
    until(lambda: told_of(receiver, purchase["id"]), ["approval.requested", "purchase.awaiting_approval"])
    roony.owner.send("POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/approve", {})
    until(lambda: "purchase.ready" in told_of(receiver, purchase["id"]), True)
    details = buyer.api.send("POST", f"/api/v1/purchase_intents/{purchase['id']}/card", {"purpose": "pay"})
    until(lambda: "card.delivered" in told_of(receiver, purchase["id"]), True)
    types = told_of(receiver, purchase["id"])
    assert types.index("approval.requested") < types.index("approval.approved") < types.index("purchase.ready")

    sequences = []
    for arrived in receiver.arrived:
        body = Webhook(made["secret"]).verify(arrived.body, arrived.headers)
        sequences.append(body["data"]["sequence"])
        assert body["data"]["organization_id"] == roony.organization_id
        for secret in (details["number"], details["number"][-12:], roony.ready["agent_key"], made["secret"]):
            assert secret not in arrived.body
    assert sequences == sorted(sequences)
    command(roony, "remove", made["id"])


def test_what_it_missed_while_down_comes_when_it_is_back(roony: Simulation, receiver: Receiver) -> None:
    made = command(roony, "add", receiver.url, "--type", "purchase.declined")
    receiver.script(Reply(503))
    purchase = roony.buyer(controls={"purchase_limit": 100}).ask(PRICE, unique("GitHub"))
    assert purchase["status"] == "declined"
    until(lambda: [row["tries"] for row in command(roony, "deliveries", made["id"])["data"]], [1])
    receiver.script(Reply(200))
    roony.advance(WAITS[0])
    until(lambda: [row["status"] for row in command(roony, "deliveries", made["id"])["data"]], ["delivered"])
    [delivery] = command(roony, "deliveries", made["id"])["data"]
    assert {one.headers["webhook-id"] for one in receiver.arrived} == {delivery["id"]}
    assert len(receiver.arrived) == 2
    assert json.loads(receiver.arrived[-1].body)["data"]["reasons"]

    command(roony, "replay", delivery["id"])
    until(lambda: len(receiver.arrived), 3)
    assert command(roony, "replay", made["id"], "--since", "1h")["replayed"] <= 1
    command(roony, "remove", made["id"])


def test_a_receiver_that_hangs_holds_up_neither_purchases_nor_another_receiver(
    roony: Simulation, receiver: Receiver
) -> None:
    answer = threading.Event()
    with Receiver() as slow:
        slow.script(Reply(wait_for=answer))
        ids = [roony.owner.send("POST", ENDPOINTS, {"url": one.url}, 201)["id"] for one in (slow, receiver)]
        try:
            roony.owner.send("POST", f"{ENDPOINTS}/{ids[0]}/test", status=202)
            until(lambda: len(slow.arrived), 1)
            bought = roony.buyer().buy(PRICE, unique("GitHub"))
            until(lambda: "purchase.ready" in told_of(receiver, bought.id), True)
            assert len(slow.arrived) == 1
        finally:
            answer.set()
            for id in ids:
                roony.owner.send("DELETE", f"{ENDPOINTS}/{id}")
