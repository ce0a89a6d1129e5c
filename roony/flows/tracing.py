"""The spans of a purchase's journey: ask → approval → card → authorization → settlement.

Every function does nothing where no collector is set. What a span says are ids and codes: no text of an agent's, no
merchant, no amount, nothing of a card but Roony's own ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from roony.core.approval import Approval
from roony.core.purchase import Purchase
from roony.core.trace import Span, Value, span_id, trace_id
from roony.flows.context import FlowContext
from roony.flows.event_purchase import about_event
from roony.log_ids import about, ids_now
from roony.outbound.traces import Traces
from roony.store.rows import AccountRoute, InboxEvent, OutboxPromise

ASK, CARD = "ask", "card"


def trace_ask(context: FlowContext, purchase: Purchase, verdict: str, codes: tuple[str, ...], began: int) -> None:
    """The root of a purchase's trace. `began` in nanoseconds."""
    if context.traces is None:
        return
    said = {**_of(purchase.organization_id, purchase.id), "roony.agent": purchase.agent_id, "roony.verdict": verdict}
    _add(context.traces, purchase.id, ASK, None, "purchase.ask", began, {**said, "roony.reasons": " ".join(codes)})


def trace_approval(context: FlowContext, approval: Approval) -> None:
    """From the moment a person was wanted to their last word."""
    if context.traces is None or approval.status == "pending":
        return
    said = {**_of(approval.organization_id, approval.purchase_id), "roony.approval": approval.id}
    said |= {"roony.kind": approval.kind, "roony.status": approval.status}
    began = _ago(context, approval.created_at)
    _add(context.traces, approval.purchase_id, approval.id, ASK, "purchase.approval", began, said)


@contextmanager
def tracing_card(context: FlowContext, promise: OutboxPromise) -> Iterator[Callable[[Purchase | None], None]]:
    """One try to make a card; given what came of it, its span ends, and that of the card where this was the last one.

    Calls to Stripe inside are spans below the try.
    """
    traces = context.traces
    if traces is None:
        yield lambda _purchase: None
        return
    purchase_id, attempt, began = promise.key.rpartition(":")[0], context.new_id("try"), time.time_ns()
    said = {**_of(promise.organization_id, purchase_id), "roony.card": promise.subject}
    ended: list[Purchase] = []
    with about(trace_id=trace_id(purchase_id), span_id=span_id(purchase_id, attempt)):
        try:
            yield lambda purchase: ended.extend([purchase] if purchase is not None else [])
        finally:
            status = ended[0].status if ended else "waits"
            failed = "" if status not in ("waits", "failed") else f"the card is not made: {status}"
            _add(traces, purchase_id, attempt, CARD, "card.try", began, {**said, "roony.status": status}, failed)
            if ended:
                since = _ago(context, promise.created_at)
                _add(traces, purchase_id, CARD, ASK, "card.make", since, {**said, "roony.status": status}, failed)


def trace_stripe_calls(traces: Traces) -> Callable[[str, str, float], None]:
    """What the gateway calls after each call: a span where it belongs to one. On the thread of the call."""

    def called(operation: str, outcome: str, seconds: float) -> None:
        ids, now = ids_now(), time.time_ns()
        if "span_id" in ids:
            own = span_id(ids["span_id"], f"{operation}{now}")
            began, failed = now - int(seconds * 1e9), "" if outcome == "ok" else outcome
            said: dict[str, Value] = {"stripe.operation": operation, "stripe.outcome": outcome}
            traces.add(Span(ids["trace_id"], own, ids["span_id"], f"stripe.{operation}", began, now, said, failed))

    return called


def trace_authorization(
    traces: Traces, organization_id: str, purchase_id: str | None, authorization_id: str, first: bool, event_id: str,
    outcome: str, code: str, began: int,
) -> None:  # fmt: skip
    """The answer to a real-time request, below the card; a further request on it below the first one."""
    subject = purchase_id or authorization_id
    step, parent = (authorization_id, CARD) if first else (event_id, authorization_id)
    said = {**_of(organization_id, purchase_id or ""), "stripe.authorization": authorization_id}
    said |= {"stripe.event": event_id, "roony.outcome": outcome, "roony.code": code}
    _add(traces, subject, step, parent if purchase_id or not first else None, "authorization", began, said)


async def trace_event(context: FlowContext, route: AccountRoute, event: InboxEvent, began: int) -> None:
    """An event that was booked, below the authorization it is about, else below the card."""
    if context.traces is None:
        return
    # A trace is never worth an error where money was just booked.
    with suppress(Exception):
        found = await about_event(context, route, event)
        if found is not None:
            said = {**_of(route.organization_id, found.purchase_id), "stripe.event": event.id}
            said["stripe.type"] = event.type
            waited = (context.clock() - event.received_at) // 1_000
            parent = found.authorization_id or CARD
            about_it: dict[str, Value] = {**said, "roony.waited_ms": waited}
            _add(context.traces, found.purchase_id, event.id, parent, "settlement", began, about_it)


def _of(organization_id: str, purchase_id: str) -> dict[str, Any]:
    return {"roony.organization": organization_id, "roony.purchase": purchase_id}


def _add(
    traces: Traces, subject: str, step: str, parent: str | None, name: str, began: int, said: dict[str, Value],
    failed: str = "",
) -> None:  # fmt: skip
    above = span_id(subject, parent) if parent is not None else None
    traces.add(Span(trace_id(subject), span_id(subject, step), above, name, began, time.time_ns(), said, failed))


def _ago(context: FlowContext, at: int) -> int:
    """A moment of the books as this machine's clock has it, in nanoseconds: a simulation may have moved theirs."""
    return time.time_ns() - max(0, context.clock() - at) * 1_000
