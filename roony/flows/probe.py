"""One test authorization, to see whether Stripe asks Roony and how fast it hears an answer. Test mode only.

The card is made for this alone and ends with it; nothing of it is booked. Where Roony dies in between, the next holder
of the promise cancels what is left, and so does a reconciliation: the card's metadata names the promise.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

from roony.core.confirmation import Evidence, evidence_in
from roony.core.connection import NEXT, STANDING, Connection
from roony.core.duration import SECOND
from roony.core.errors import Refusal, not_found
from roony.core.preflight import MISSING, OK, UNKNOWN, WARNING, Check, Preflight, to_json
from roony.flows.card import FinishPromise
from roony.flows.connection import CardholderRefused, ask_gently, ask_stripe, ensure_cardholder
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.inline import finish_in_time
from roony.flows.preflight import RecordPreflight
from roony.flows.probe_mark import KIND, PROBE
from roony.gateway import issuing
from roony.gateway.client import PlainObject
from roony.gateway.errors import StripeCallFailed
from roony.gateway.paging import PageLimitReached
from roony.gateway.pool import GatewayBusy
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import LEASE, new_promise
from roony.store.queries.authorizations import is_answered
from roony.store.rows import OutboxPromise

# Minor units; the card can never be charged for more.
AMOUNT = 100
# Stripe waits 2 s for an answer; beyond half of that a slow day is too slow.
SLOW_MILLISECONDS = 1_000
ANSWER_SECONDS = 25.0
# Codes of declines that Roony sends without having decided: nothing of them is in its books.
NOT_DECIDED = frozenset({"LATE", "BUSY"})
LIVE = Refusal(
    "live_mode", "A probe makes a test authorization: it is refused in live mode, where that would be a payment.", 409
)


@dataclass(frozen=True, slots=True)
class PromiseProbe(Command[OutboxPromise | Refusal]):
    """The owner wants one test authorization to be made on a connection."""

    organization_id: str
    connection_id: str
    promise_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The connection."""
        return Needs(rows=((Connection, self.organization_id, self.connection_id),))

    def apply(self, book: Book, now: int) -> OutboxPromise | Refusal:
        """Promises it; who asked keeps the promise first."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        if connection.livemode:
            return LIVE
        if connection.status not in STANDING:
            return Refusal("connection_inactive", f"The connection is {connection.status}.", 409, id=connection.id)
        params = {"actor": self.actor}
        promise = new_promise(self.organization_id, self.promise_id, KIND, connection.id, params, now, lease=LEASE)
        book.promise(promise)
        return promise


async def probe(
    context: FlowContext, organization_id: str, connection_id: str, actor: str, by: Authority | None = None
) -> Preflight | Refusal:
    """Makes one test authorization and says what came of it, if that is known in `ANSWER_SECONDS`."""
    command = PromiseProbe(organization_id, connection_id, context.new_id("out"), actor)
    promise = await context.till.submit(command, by=by)
    if isinstance(promise, Refusal):
        return promise
    found = await finish_in_time(keep_probe(context, promise), ANSWER_SECONDS)
    return found or Refusal("stripe_unavailable", "Stripe did not answer in time. Try again.", 503)


async def keep_probe(context: FlowContext, promise: OutboxPromise) -> Preflight | Refusal | None:
    """1 what an earlier holder left is canceled, and that was it · 2 a card · 3 one authorization · 4 both end
    · 5 the result is kept. A call that fails is said so; the card is canceled by a later try or a reconciliation."""
    org = promise.organization_id
    connection = await read_connection(context, org, promise.subject)
    if connection is None or connection.status not in STANDING or connection.livemode:
        await context.till.submit(FinishPromise(org, promise, "over"))
        return None
    evidence: tuple[Evidence, ...] = ()
    authorization = ""
    try:
        holder = await ensure_cardholder(context, connection, org)
        if promise.generation > 1:
            await _cancel_left(context, connection, promise, holder)
            checks = [Check("probe", UNKNOWN, "The probe was interrupted.", "Try again: roony doctor --probe.")]
        else:
            answer, milliseconds = await _authorize(context, connection, promise, holder)
            authorization, evidence = str(answer["id"]), evidence_in(answer["request_history"])
            ours = await asyncio.to_thread(is_answered, context.database, org, authorization)
            checks = [judged(answer, milliseconds, connection.id, ours)]
    except (StripeCallFailed, CardholderRefused, GatewayBusy, PageLimitReached) as error:
        words = error.failure.message if isinstance(error, StripeCallFailed) else str(error)
        checks = [Check("probe", UNKNOWN, f"The probe could not be made: {words}", "See roony connection preflight.")]
    actor = json.loads(promise.params)["actor"]
    return await context.till.submit(
        RecordPreflight(org, connection.id, KIND, to_json(checks), actor, promise, evidence, authorization)
    )


async def _authorize(
    context: FlowContext, connection: Connection, promise: OutboxPromise, holder: str
) -> tuple[PlainObject, int]:
    """Card and authorization; the card is canceled whatever comes of it. Returns how long Stripe took, in ms."""
    params = {
        "cardholder": holder, "currency": connection.currency, "type": "virtual", "status": "active",
        "spending_controls": {"spending_limits": [{"amount": AMOUNT, "interval": "all_time"}]},
        "metadata": {PROBE: promise.id, "roony_organization": connection.organization_id},
    }  # fmt: skip
    card = await ask_stripe(context, connection, issuing.create_card, params, promise.key)
    try:
        began = time.monotonic()
        wish = {"card": card["id"], "amount": AMOUNT, "merchant_data": {"name": "Roony probe", "country": "US"}}
        answer = await ask_gently(
            context, connection, issuing.create_test_authorization, wish, f"{promise.key}:authorization"
        )
        milliseconds = int((time.monotonic() - began) * 1000)
        if answer["approved"]:
            await ask_gently(
                context, connection, issuing.reverse_test_authorization, answer["id"], f"{promise.key}:reverse"
            )
    finally:
        await ask_stripe(context, connection, issuing.cancel_card, card["id"], f"{promise.key}:cancel")
    return answer, milliseconds


async def _cancel_left(context: FlowContext, connection: Connection, promise: OutboxPromise, holder: str) -> None:
    """The card of an earlier holder of this promise, who did not come to its end."""
    since = promise.created_at // SECOND
    for card in await ask_stripe(context, connection, issuing.find_cards, holder, since):
        if (card.get("metadata") or {}).get(PROBE) == promise.id and card["status"] != "canceled":
            await ask_stripe(context, connection, issuing.cancel_card, card["id"], f"{promise.id}:left")


def judged(authorization: PlainObject, milliseconds: int, connection_id: str, ours: bool) -> Check:
    """What Stripe's reason for its decision says of the set-up (facts 2.4); `ours`: our books have an answer to it.

    Who else may have been asked answers like us: the URL may still be that of another Roony.
    """
    last = authorization["request_history"][-1]
    reason, approved = str(last["reason"]), bool(last["approved"])
    code = (authorization.get("metadata") or {}).get("code")
    if reason == "webhook_declined" and not ours and code in NOT_DECIDED:
        words = f"Stripe heard a decline ({code}): there was no time to decide, so it is not in Roony's books."
        return Check("probe", UNKNOWN, words, "Try again. If it stays so, see whether the database is slow.")
    if reason in ("webhook_approved", "webhook_declined") and not ours:
        words = f"Stripe heard an answer ({reason}) that Roony does not know of: it asked another program."
        return Check("probe", MISSING, words, NEXT["realtime_url_contradicted"])
    if reason in ("webhook_approved", "webhook_declined"):
        words = f"Stripe asked Roony and heard its answer ({reason}) within {milliseconds} ms, its own work included."
        if milliseconds <= SLOW_MILLISECONDS:
            return Check("probe", OK, words)
        after = "Stripe waits 2 s at most: run Roony closer to it, or on a faster machine."
        return Check("probe", WARNING, words, after)
    if reason == "card_active":
        words = "Stripe approved without asking: no real-time authorization URL is set."
        return Check("probe", MISSING, words, NEXT["realtime_url_contradicted"])
    if reason in ("webhook_timeout", "webhook_error"):
        what = "heard no answer in time" if reason == "webhook_timeout" else "could not use the answer"
        told = f" ({last['reason_message']})" if last.get("reason_message") else ""
        if approved:
            words = f"Stripe {what}{told} and approved by itself: the timeout action is approve."
            return Check("probe", MISSING, words, NEXT["timeout_action_contradicted"])
        after = "See that Stripe reaches the real-time authorization URL, and which secret signs there:"
        return Check("probe", MISSING, f"Stripe {what}{told}.", f"{after} roony connection preflight {connection_id}.")
    return Check(
        "probe", UNKNOWN, f"Stripe decided before asking Roony: {reason}.",
        f"See what the account lacks: roony connection preflight {connection_id}.",
    )  # fmt: skip
