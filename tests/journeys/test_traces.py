"""The trace of a purchase, from its ask to its settlement: by request, worker and Stripe's door, for a collector."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from roony.core.trace import span_id, trace_id
from tests.support.collector import Collector
from tests.support.served import Simulation, unique, until


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as one:
        yield one


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Simulation]:
    folder = tmp_path_factory.mktemp("roony")
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20key"}
    with Simulation(folder, ROONY_LOG_FORMAT="json", **told) as served:
        yield served


def trace(collector: Collector, purchase_id: str) -> list[dict[str, Any]]:
    """The spans of a purchase so far."""
    return [span for span in collector.spans() if span["traceId"] == trace_id(purchase_id)]


def names(spans: list[dict[str, Any]]) -> list[str]:
    """In alphabetical order."""
    return sorted(span["name"] for span in spans)


def parents(spans: list[dict[str, Any]]) -> dict[str, str]:
    """The name of each span's parent, by its own; "" for the root, "?" where it is not there."""
    by_id = {span["spanId"]: span["name"] for span in spans}
    return {span["name"]: by_id.get(span["parentSpanId"], "?") if "parentSpanId" in span else "" for span in spans}


def test_a_purchase_from_its_ask_to_its_settlement(roony: Simulation, collector: Collector) -> None:
    # The first card of a company has its cardholder made as well.
    roony.buyer().buy(100, unique("Shop"))
    buyer, shop = roony.buyer(), unique("Shop")
    bought = buyer.buy(4_200, shop)
    charge = roony.charge(bought.stripe_card, 4_200, shop)
    assert charge.approved
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(charge.id)
    roony.settle()
    events = ["issuing_authorization.created", "issuing_authorization.updated", "issuing_transaction.created"]

    def settled() -> list[str]:
        return sorted({s["about"]["stripe.type"] for s in trace(collector, bought.id) if s["name"] == "settlement"})

    until(lambda: [each for each in events if each in settled()], events)
    spans = trace(collector, bought.id)
    assert len({span["spanId"] for span in spans}) == len(spans)
    above = parents(
        [span for span in spans if span["about"].get("stripe.type") in (None, "issuing_transaction.created")]
    )
    assert above == {
        "purchase.ask": "", "card.make": "purchase.ask", "card.try": "card.make", "stripe.create_card": "card.try",
        "authorization": "card.make", "settlement": "authorization",
    }  # fmt: skip
    [ask] = [span for span in spans if span["name"] == "purchase.ask"]
    assert ask["spanId"] == span_id(bought.id, "ask")
    assert (ask["about"]["roony.agent"], ask["about"]["roony.verdict"]) == (buyer.id, "approved")
    [answer] = [span for span in spans if span["name"] == "authorization"]
    assert (answer["about"]["roony.code"], answer["about"]["stripe.authorization"]) == ("APPROVED", charge.id)
    for span in spans:
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert span["about"].get("roony.purchase", bought.id) == bought.id
        assert span["status"] == {}


def test_a_person_s_word_and_a_failed_try_are_in_the_trace(roony: Simulation, collector: Collector) -> None:
    # The first card of all makes the cardholder too, which would stand in its trace.
    roony.buyer().buy(100, unique("Shop"))
    buyer = roony.buyer(controls={"approval_threshold": 100})
    asked = buyer.ask(500, unique("Shop"))
    assert asked["status"] == "awaiting_approval"
    roony.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "rate_limit", "count": 1}])
    roony.owner.send("POST", f"/api/v1/admin/approvals/{asked['approval']['id']}/approve", {})
    until(lambda: buyer.purchase(asked["id"], wait=5)["status"], "ready")
    wanted = [
        "card.make", "card.try", "card.try", "purchase.approval", "purchase.ask", "stripe.create_card",
        "stripe.create_card",
    ]  # fmt: skip
    until(lambda: [name for name in names(trace(collector, asked["id"])) if name != "settlement"], wanted)
    spans = trace(collector, asked["id"])
    assert parents(spans)["purchase.approval"] == "purchase.ask"
    calls = [span for span in spans if span["name"] == "stripe.create_card"]
    assert sorted(span["about"]["stripe.outcome"] for span in calls) == ["ok", "rate_limited"]
    assert {span["parentSpanId"] for span in calls} == {s["spanId"] for s in spans if s["name"] == "card.try"}
    [approval] = [span for span in spans if span["name"] == "purchase.approval"]
    assert approval["about"]["roony.status"] == "approved"
    # And the log leads to the trace.
    logged = roony.child.log.read_text(encoding="utf-8").splitlines()
    [line] = [json.loads(each) for each in logged if "promise.put_off" in each and asked["id"] in each]
    assert line["trace_id"] == trace_id(asked["id"])
    assert line["span_id"] in {span["spanId"] for span in spans}


def test_a_declined_authorization_says_why(roony: Simulation, collector: Collector) -> None:
    bought = roony.buyer().buy(800, unique("Shop"))
    assert not roony.charge(bought.stripe_card, 800, "ACME PARTS").approved

    def code() -> list[str]:
        return [s["about"]["roony.code"] for s in trace(collector, bought.id) if s["name"] == "authorization"]

    until(code, ["MERCHANT_MISMATCH"])


def test_nothing_secret_or_told_by_an_agent_leaves(roony: Simulation, collector: Collector) -> None:
    """Of everything that was sent: words of the code, ids, numbers."""
    shop, secret = unique("Secretshop"), "a description nobody else may read"
    buyer = roony.buyer()
    bought = buyer.buy(1_234, shop, description=secret, metadata={"note": "a note of the agent"})
    until(lambda: "card.make" in names(trace(collector, bought.id)), True)
    sent = "".join(collector.bodies)
    known = [shop, secret, "a note of the agent", buyer.key, bought.answer["card"]["number"], bought.stripe_card]
    known += ["Figma", "ACME", '"usd"', roony.ready["stripe_secret_key"]]
    assert [word for word in known if word in sent] == []
    for span in collector.spans():
        assert re.fullmatch(r"[a-z_.]+", span["name"]), span["name"]
        for value in span["about"].values():
            assert re.fullmatch(r"[A-Za-z0-9_. ]*", str(value)), value
    assert all(headers["x-key"] == "a key" for headers in collector.headers)
    # Counted a moment after the collector has them.
    until(
        lambda: bool(re.search(r"^roony_traces_sent_total [1-9]", roony.web.get("/metrics").text, re.MULTILINE)), True
    )
    text = roony.web.get("/metrics").text
    assert "\nroony_traces_dropped_total 0\n" in text
    assert '\nroony_queue_depth{queue="traces"} ' in text
