"""Freezes of a scope and of the card, authorizations that come and fall away, promises kept in any order and twice.

Stripe is one word here, the card's status; a call is made at one time and recorded at another.
"""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roony.core.agent import SCOPES
from roony.core.card import Card, wanted_at_stripe
from roony.flows.card import FinishPromise, RecordCardStatus
from roony.flows.card_freeze import FreezeCard, UnfreezeCard
from roony.flows.freeze import Freeze, SetCardFrozen, Unfreeze
from roony.store.rows import OutboxPromise
from tests.support.books import AGENT, ORG, PROJECT
from tests.support.memory import MemoryBooks
from tests.support.promises import all_is_well
from tests.support.story import Story

IDS = {"organization": ORG, "project": PROJECT, "agent": AGENT}
AMOUNT = 1_000
# Every promise leads to one more at most, so this many are enough for all that is open at the end.
MOST_ROUNDS = 50


class Run:
    """One card, with what Stripe has and what is on its way there."""

    def __init__(self, random: Random, begin: str) -> None:
        self.random = random
        self.again = "every" in begin
        self.books = MemoryBooks()
        self.story = Story(self.books)
        self.story.tell(begin)
        self.frozen: set[str] = set()
        self.at_stripe = "active"
        self.said = ["active"]
        self.on_its_way: list[tuple[OutboxPromise, str]] = []
        # Approved authorizations that can still fall away.
        self.standing = ["A0"] if self.again else []
        self.asked = 0

    def happen(self) -> None:
        """One thing, chosen at random."""
        words = (self.freeze, self.freeze, self.authorize, self.authorize, self.fall_away, self.walk, self.call)
        self.random.choice((*words, self.call, self.record, self.record, self.stale_event))()

    def freeze(self) -> None:
        """A scope or the card is frozen, or let go where it was."""
        what, out = self.random.choice((*SCOPES, "card", *sorted(self.frozen) * 3)), self.books.new_id("out")
        letting_go = what in self.frozen
        if what == "card":
            command = (UnfreezeCard if letting_go else FreezeCard)(ORG, self.card.id, "usr_1", out)
        else:
            command = (Unfreeze if letting_go else Freeze)(ORG, what, IDS[what], "usr_1", out)
        assert self.books.run(command).changed
        self.frozen ^= {what}

    def authorize(self) -> None:
        """Asked of Roony; for a mandate now and then approved by Stripe alone, where the card is switched on there."""
        self.asked += 1
        name = f"A{self.asked}"
        if self.again and self.at_stripe == "active" and self.random.random() < 0.4:
            self.story._says(name, "pending", str(AMOUNT), "active")
            self.standing.append(name)
        elif self.story._request(name, str(AMOUNT)) == "yes":
            self.standing.append(name)

    def fall_away(self) -> None:
        """What Stripe did not go by our yes for frees a card; that of a mandate also what was reversed."""
        if self.standing:
            name = self.standing.pop(self.random.randrange(len(self.standing)))
            said = ("reversed", "0", f"active:{AMOUNT}") if self.again else ("closed", str(AMOUNT), "timeout")
            self.story._says(name, *said)

    def walk(self) -> None:
        """A promise about the cards of a scope is kept; now and then its keeper dies before it says so."""
        promise = self._open("freeze_cards", "unfreeze_cards")
        if promise is None:
            return
        told = f"{promise.id}_{self.card.id}"
        self.books.run(SetCardFrozen(ORG, self.card.id, promise.kind == "freeze_cards", told))
        if self.random.random() < 0.7:
            self.books.run(FinishPromise(ORG, promise))

    def call(self) -> None:
        """The card's status is set at Stripe, as `keep_card_status` does it."""
        promise = self._open("set_card_status")
        if promise is not None:
            self.at_stripe = wanted_at_stripe(self.card) or json.loads(promise.params)["status"]
            self.said.append(self.at_stripe)
            self.on_its_way.append((promise, self.at_stripe))

    def record(self) -> None:
        if self.on_its_way:
            promise, status = self.on_its_way.pop(self.random.randrange(len(self.on_its_way)))
            self.books.run(RecordCardStatus(ORG, self.card.id, status, promise, self.books.new_id("out")))

    def stale_event(self) -> None:
        self.story._stripe(self.random.choice(self.said))

    def settle(self) -> None:
        """All that is open is done."""
        for _ in range(MOST_ROUNDS):
            if self._open("freeze_cards", "unfreeze_cards", "set_card_status") is None:
                return
            self.walk()
            self.call()
            while self.on_its_way:
                self.record()
        raise AssertionError("it does not come to rest")

    @property
    def card(self) -> Card:
        found = self.story.card
        assert found is not None
        return found

    def _open(self, *kinds: str) -> OutboxPromise | None:
        found = [promise for promise in self.books.rows(OutboxPromise, status="promised") if promise.kind in kinds]
        return self.random.choice(found) if found else None


BEGINNINGS = {
    "once": "ask 10000\ncard",
    "mandate": "ask 10000 every month 2\ncard\nrequest A0 1000\ndays 31",
}


@settings(derandomize=True, deadline=None, max_examples=120)
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("begin", BEGINNINGS.values(), ids=BEGINNINGS)
def test_card_and_stripe_end_as_what_is_frozen_says(begin: str, seed: int) -> None:
    run = Run(Random(seed), begin)
    for _ in range(25):
        run.happen()
    run.settle()
    all_is_well(run.books)
    assert run.at_stripe == ("inactive" if run.frozen else "active")
    assert run.card.status in ("used", "frozen" if run.frozen else "active")


def test_what_is_looked_at_happens() -> None:
    """Cards fall back while a scope above them is frozen and while none is, and are used while one is."""
    seen: set[tuple[str, str, bool]] = set()
    for begin in BEGINNINGS.values():
        for seed in range(40):
            run = Run(Random(seed), begin)
            for _ in range(25):
                before = run.card.status
                run.happen()
                seen.add((before, run.card.status, bool(run.frozen - {"card"})))
    assert {("used", "frozen", True), ("used", "active", False), ("active", "used", True)} <= seen
