"""Spans on their way to a collector that answers, refuses, is away or slow: nobody waits, what is lost is counted."""

from __future__ import annotations

import pytest

from roony.core.trace import Span, span_id, trace_id
from roony.outbound import traces as module
from roony.outbound.traces import MAX_QUEUED, MOST_TOGETHER, Traces
from tests.support.collector import Collector
from tests.support.served import until

HEADERS = {"x-key": "a key"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)


def span(number: int = 1, **more: str) -> Span:
    """One of a purchase."""
    subject = f"pur_{number}"
    said = {"roony.purchase": subject, "number": number, "good": True}
    return Span(trace_id(subject), span_id(subject, "ask"), None, "purchase.ask", 1_000, 2_000, said)._replace(**more)


def test_ids_are_of_the_form_and_follow_from_the_purchase() -> None:
    assert (len(trace_id("pur_1")), len(span_id("pur_1", "ask"))) == (32, 16)
    assert trace_id("pur_1") == trace_id("pur_1") != trace_id("pur_2")
    assert (
        len({span_id("pur_1", "ask"), span_id("pur_1", "card"), span_id("pur_2", "ask"), trace_id("pur_1")[:16]}) == 4
    )


def test_a_collector_gets_spans_in_its_own_form() -> None:
    with Collector() as collector:
        traces = Traces(f"{collector.url}/", HEADERS, "till one")
        traces.start()
        traces.add(span())
        traces.add(span(2, parent_id=span_id("pur_2", "card"), failed="late"))
        until(lambda: len(collector.spans()), 2)
        traces.stop()
        assert (traces.sent, traces.dropped, traces.waiting) == (2, 0, 0)
        first, second = collector.spans()
        assert first["traceId"] == trace_id("pur_1")
        assert "parentSpanId" not in first
        assert (first["startTimeUnixNano"], first["endTimeUnixNano"]) == ("1000", "2000")
        assert first["about"] == {"roony.purchase": "pur_1", "number": "1", "good": True}
        assert first["status"] == {}
        assert second["parentSpanId"] == span_id("pur_2", "card")
        assert second["status"] == {"code": 2, "message": "late"}
        assert collector.headers[0]["x-key"] == "a key"
        assert collector.resources()[0]["service.name"] == "till one"


def test_where_too_many_wait_more_are_lost_and_counted() -> None:
    with Collector() as collector:
        collector.gate.clear()
        traces = Traces(collector.url, {}, "roony")
        for number in range(MAX_QUEUED + 10):
            traces.add(span(number))
        assert (traces.waiting, traces.dropped) == (MAX_QUEUED, 10)
        # Once it is on its way the collector holds a batch as long as it likes; adding goes on.
        traces.start()
        until(lambda: traces.waiting, MAX_QUEUED - MOST_TOGETHER)
        for number in range(MOST_TOGETHER + 5):
            traces.add(span(number))
        assert (traces.waiting, traces.dropped) == (MAX_QUEUED, 15)
        collector.gate.set()
        until(lambda: traces.sent, MAX_QUEUED + MOST_TOGETHER)
        traces.stop()


def test_a_collector_that_cannot_now_is_asked_again_and_one_that_refuses_is_not() -> None:
    with Collector(503, 200, 400) as collector:
        traces = Traces(collector.url, {}, "roony")
        traces.start()
        traces.add(span(1))
        until(lambda: traces.sent, 1)
        traces.add(span(2))
        until(lambda: traces.dropped, 1)
        traces.add(span(3))
        until(lambda: traces.sent, 2)
        traces.stop()
        assert [each["about"]["number"] for each in collector.spans()] == ["1", "3"]


def test_what_is_left_at_the_end_is_sent() -> None:
    with Collector() as collector:
        traces = Traces(collector.url, {}, "roony")
        for number in range(MOST_TOGETHER + 1):
            traces.add(span(number))
        traces.start()
        traces.stop()
        assert len(collector.spans()) == MOST_TOGETHER + 1


def test_a_collector_that_is_away_costs_spans_and_nothing_else() -> None:
    traces = Traces("http://127.0.0.1:9", {}, "roony")
    traces.start()
    traces.add(span())
    until(lambda: traces.waiting, 0)
    traces.stop()
    until(lambda: traces.dropped, 1)


def test_a_span_that_cannot_be_written_costs_no_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or one mistake would be the end of all traces of the process."""
    monkeypatch.setattr(module, "MAX_TRIES", 1)
    with Collector() as collector:
        traces = Traces(collector.url, {}, "roony")
        traces.start()
        traces.add(span()._replace(about={"number": {1}}))  # type: ignore[dict-item]
        until(lambda: traces.dropped, 1)
        traces.add(span(2))
        until(lambda: len(collector.spans()), 1)
        traces.stop()
        assert (traces.sent, traces.dropped) == (1, 1)
