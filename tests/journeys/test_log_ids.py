"""JSON logs of a running Roony: whatever is logged in a request or about a purchase says which."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.served import Simulation, unique, until


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with Simulation(tmp_path_factory.mktemp("roony"), ROONY_LOG_FORMAT="json") as served:
        yield served


def lines(roony: Simulation, word: str = "") -> list[dict[str, Any]]:
    """All that was logged so far, each line by itself; with a word, those that say it."""
    text = roony.child.log.read_text(encoding="utf-8")
    # The simulator writes into the same file, in words of its own.
    logged = [json.loads(line) for line in text.splitlines() if not line.startswith("INFO roony.simulator")]
    return [line for line in logged if line["event"] == word or not word]


def answered(roony: Simulation, answer: httpx2.Response) -> dict[str, Any]:
    """The line about this answer, which is written a moment after it was sent."""

    def found() -> list[dict[str, Any]]:
        return [line for line in lines(roony, "web.answered") if line["request_id"] == answer.headers["request-id"]]

    until(lambda: len(found()), 1)
    return found()[0]


def test_a_request_and_the_purchase_it_makes_are_on_its_lines_and_on_the_worker_s(roony: Simulation) -> None:
    """Stripe refuses the first try, within the request; the worker makes the card, and Stripe refuses that one once."""
    buyer, other = roony.buyer(), roony.buyer()
    roony.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "rate_limit", "count": 2}])
    shop = unique("Shop")
    answer = buyer.api.call("POST", "/api/v1/purchase_intents", buyer.wish(900, shop))
    id, request_id = answer.json()["id"], answer.headers["request-id"]
    until(lambda: buyer.purchase(id)["status"], "ready")
    put_off = lines(roony, "promise.put_off")
    assert [line["purchase_id"] for line in put_off] == [id, id]
    assert [line.get("request_id") for line in put_off] == [request_id, None]
    assert {line["organization_id"] for line in put_off} == {roony.organization_id}
    line = answered(roony, answer)
    assert (line["purchase_id"], line["organization_id"]) == (id, roony.organization_id)
    # What comes after says nothing of it any more.
    asked = other.api.call("GET", "/api/v1/budgets")
    assert "purchase_id" not in answered(roony, asked)
    shown = buyer.api.call("GET", f"/api/v1/purchase_intents/{id}")
    assert answered(roony, shown)["purchase_id"] == id


def test_an_event_that_cannot_be_handled_says_whose_purchase_it_is_about(roony: Simulation) -> None:
    bought = roony.buyer().buy(700, unique("Shop"))
    event = roony.request_event(bought.stripe_card, 700, "Shop")
    event["type"] = "issuing_authorization.updated"
    del event["data"]["object"]["request_history"], event["data"]["object"]["status"]
    assert roony.post(event).status == 200
    until(lambda: roony.event_state(event["id"]), "failed")
    failed = [line for line in lines(roony, "event.failed") if line["event_id"] == event["id"]]
    assert failed
    assert {line["purchase_id"] for line in failed} == {bought.id}
    assert {line["organization_id"] for line in failed} == {roony.organization_id}


def test_every_line_has_a_time_a_level_and_a_word(roony: Simulation) -> None:
    roony.web.get("/healthz")
    for line in lines(roony):
        assert {"timestamp", "level", "event", "logger"} <= line.keys()
