"""The worker of a random company: keeps promises as the flows do, with the network standing where Stripe's API is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from roony.core.card import Card, wanted_at_stripe
from roony.core.settlement import read_authorization
from roony.flows.card import FailCard, FinishPromise, MadeCard, PutOff, RecordCard, RecordCardStatus
from roony.flows.card_event import BookCard
from roony.flows.freeze import SetCardFrozen
from roony.flows.raising import RAISE_CARD, GiveBackRaise, RecordRaise
from roony.flows.renewal import CARD_LIMITS, TellLimits
from roony.flows.settlement import BookAuthorization
from roony.flows.unknown_card import UNKNOWN_CARD, ReplayCardEvents
from roony.store.rows import OutboxPromise
from tests.random.ground import NO_ANSWER
from tests.random.model import SECOND
from tests.random.network import limits_of
from tests.support.books import CONNECTION, ORG

if TYPE_CHECKING:
    from tests.random.machine import CompanyMachine


def keep(company: CompanyMachine, promise: OutboxPromise, how: str, blow: str | None) -> bool:
    """Keeps one promise: `how` says what Stripe does, `blow` what happens at the commit. True if it struck."""
    if promise.kind == "make_card":
        return _make_card(company, promise, how, blow)
    if promise.kind == "set_card_status":
        return _set_status(company, promise, how, blow)
    if promise.kind == RAISE_CARD:
        return _raise_card(company, promise, how, blow)
    if promise.kind == CARD_LIMITS:
        return _set_limits(company, promise, how, blow)
    if promise.kind in ("freeze_cards", "unfreeze_cards"):
        return _follow_freeze(company, promise, blow)
    if promise.kind == "retrieve_authorization":
        shown = company.network.statement(company.network.authorizations[promise.subject])
        return _look(
            company, promise, BookAuthorization(ORG, CONNECTION, read_authorization(shown, company.network.now)), blow
        )
    if promise.kind == "look_at_card":
        return _look(company, promise, _card_shown(company, promise.subject), blow)
    if promise.kind == "replay_card_events":
        return _replay(company, promise, blow)
    raise AssertionError(f"nobody keeps {promise.kind}")


def _card_shown(company: CompanyMachine, id: str) -> BookCard:
    card = company.network.cards[id]
    facts = MadeCard(card.id, card.status, "4242", 12, 2130)
    return BookCard(ORG, CONNECTION, facts, card.metadata["roony_card"], None, company.books.new_id("out"))


def _look(company: CompanyMachine, promise: OutboxPromise, command: Any, blow: str | None) -> bool:
    """What a retrieval shows is booked; while its card is still being made it is looked at again later."""
    answer = company.ground.submit(command, blow)
    if answer is NO_ANSWER:
        return True
    if answer == "received":
        put_off = PutOff(ORG, promise, promise.key, promise.attempt, 3 * SECOND, "waiting for its card")
        return _submit(company, put_off, None)
    return _submit(company, FinishPromise(ORG, promise), None)


def _replay(company: CompanyMachine, promise: OutboxPromise, blow: str | None) -> bool:
    """Events that were left out because their card was unknown are handled again."""
    card = json.loads(promise.params)["stripe_card_id"]
    left_out = [
        event.id
        for event in company.watch.inbox.values()
        if (event.status, event.reason) == ("applied", UNKNOWN_CARD)
        and f'"{card}"'.encode() in company.watch.delivered[event.id].body
    ]
    if left_out and company.ground.submit(ReplayCardEvents(ORG, tuple(left_out)), blow) is NO_ANSWER:
        return True
    return _submit(company, FinishPromise(ORG, promise), None)


def _make_card(company: CompanyMachine, promise: OutboxPromise, how: str, blow: str | None) -> bool:
    """One card for one key, whatever was tried before; a card past its time is only found, never made."""
    network, books = company.network, company.books
    wish = next(w for w in company.model.wishes.values() if w.id == promise.key.partition(":")[0])
    there = network.by_key.get(promise.key)
    if there is None and (how == "refused" or books.clock() >= wish.expires_at):
        failed = FailCard(ORG, promise.subject, "no_money", "No money.", False, promise, books.new_id("out"))
        answer = company.ground.submit(failed, blow)
        if answer is NO_ANSWER:
            answer = company.ground.submit(failed)
        wish.card, wish.ended = "over", wish.ended or "failed"
        return blow is not None
    made = network.make_card(promise.key, json.loads(promise.params))
    if how == "no answer":
        return False
    facts = MadeCard(made.id, made.status, "4242", 12, 2130)
    record = RecordCard(ORG, promise.subject, facts, books.new_id("out"), promise)
    answer = company.ground.submit(record, blow)
    if answer is NO_ANSWER:
        # The promise is still there, or done; keeping it again is the same as once.
        answer = company.ground.submit(record)
    wish.record_card(answer.updated_at)
    return blow is not None


def _set_status(company: CompanyMachine, promise: OutboxPromise, how: str, blow: str | None) -> bool:
    """What is wanted by now is set, also where we believe it to be so already."""
    card = company.watch.get(Card, id=promise.subject)
    there = company.network.cards[card.stripe_card_id]
    status = company.network.set_status(there, wanted_at_stripe(card) or json.loads(promise.params)["status"])
    if how == "no answer":
        return False
    return _submit(company, RecordCardStatus(ORG, card.id, status, promise, company.books.new_id("out")), blow)


def _raise_card(company: CompanyMachine, promise: OutboxPromise, how: str, blow: str | None) -> bool:
    """A raise at Stripe, as `keep_raise_card` goes: a look first, then the limits, then what became of it."""
    card = company.watch.get(Card, id=promise.subject)
    if card.limit_at_stripe is None or card.status in ("expired", "canceled"):
        return _submit(company, FinishPromise(ORG, promise), blow)
    there, wanted = company.network.cards[card.stripe_card_id], limits_of(json.loads(promise.params)["card"])
    if how != "refused" and there.status != "canceled":
        there.limits = wanted
    if how == "no answer":
        return False
    wish = company.model.wishes[card.purchase_id]
    if there.limits == wanted:
        company.counts.words["raise at Stripe"] += 1
        return _submit(company, RecordRaise(ORG, card.id, promise), blow)
    company.counts.words["raise given back"] += 1
    back = GiveBackRaise(
        ORG, card.id, promise, "no", "No.", retry_can_help=False, seen=(), end=False,
        cancel_promise_id=company.books.new_id("out"),
    )  # fmt: skip
    struck = _submit(company, back, blow)
    if struck:
        company.ground.submit(back)
    wish.give_back_raise()
    return struck


def _set_limits(company: CompanyMachine, promise: OutboxPromise, how: str, blow: str | None) -> bool:
    """A mandate's new price at Stripe, as `keep_card_limits` goes; an older price has no say."""
    card = company.watch.get(Card, id=promise.subject)
    wanted = limits_of(json.loads(promise.params)["card"])
    over = card.status in ("expired", "canceled") or card.stripe_status == "canceled"
    if over or wanted["all_time"] != card.hard_limit:
        return _submit(company, FinishPromise(ORG, promise), blow)
    if how == "refused":
        return _submit(company, TellLimits(ORG, card.id, promise), blow)
    company.network.cards[card.stripe_card_id].limits = wanted
    company.counts.words["new price at Stripe"] += 1
    return how != "no answer" and _submit(company, FinishPromise(ORG, promise), blow)


def _follow_freeze(company: CompanyMachine, promise: OutboxPromise, blow: str | None) -> bool:
    """Card by card, each by a command that looks again at what is frozen."""
    frozen = promise.kind == "freeze_cards"
    for card in company.watch.rows[Card]:
        company.ground.submit(SetCardFrozen(ORG, card.id, frozen, company.books.new_id("out")))
    return _submit(company, FinishPromise(ORG, promise), blow)


def _submit(company: CompanyMachine, command: Any, blow: str | None) -> bool:
    """True if the blow struck; then the promise is kept again some other time."""
    return company.ground.submit(command, blow) is NO_ANSWER
