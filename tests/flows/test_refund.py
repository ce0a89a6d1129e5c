"""Refunds find their purchase: by card, by the network's number, or by a person; in any order the same (P3, P8)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.audit import ROONY, AuditRecord
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy, StripeTransaction, TransactionStatement
from roony.flows.refund import AssignRefund
from roony.flows.resolution import ResolveDiscrepancy
from roony.flows.settlement import BookTransaction
from roony.flows.unknown_card import look_id
from roony.store.outbox import new_promise
from tests.support.books import CONNECTION, ORG
from tests.support.memory import MemoryBooks
from tests.support.promises import all_is_well
from tests.support.story import FIGMA, transaction

NOTION = Merchant("NOTION", None, "5734", "US", "net_2")
EVIL = Merchant("EVIL", None, "5734", "US", "net_9")
NOBODY = "ic_nobody"

# A fact: (id, card of purchase F, N or X for nobody's, amount, network number, merchant). The id says what it is, and
# at which second: t is a capture, r a refund, s one that names the authorization of its card's capture, w one that
# names another purchase's.
Fact = tuple[str, str, int, str | None, Merchant]
CAPTURES: list[Fact] = [("t1", "F", 5_000, "nt_F", FIGMA), ("t2", "N", 3_000, "nt_N", NOTION)]

# Facts beside the captures, and where each refund ends: F, N or - for the queue.
CASES: dict[str, tuple[list[Fact], str]] = {
    "whole": ([("r1", "F", 5_000, "nt_F", FIGMA)], "F"),
    "in part, without a number": ([("r1", "F", 2_000, None, FIGMA)], "F"),
    "several": ([("r1", "F", 2_000, "nt_F", FIGMA), ("r2", "F", 3_000, "nt_F", FIGMA)], "F F"),
    "one too many": ([("r1", "F", 2_000, "nt_F", FIGMA), ("r2", "F", 3_001, "nt_F", FIGMA)], "F -"),
    "too much": ([("r1", "F", 5_001, "nt_F", FIGMA)], "-"),
    "by another merchant": ([("r1", "F", 500, None, EVIL)], "-"),
    "by another name, but the network's number": ([("r1", "F", 500, "nt_F", EVIL)], "F"),
    "on the wrong card, found by the network's number": ([("r1", "F", 3_000, "nt_N", NOTION)], "N"),
    "on the wrong card, too much for the purchase of its number": ([("r1", "F", 3_001, "nt_N", NOTION)], "-"),
    "too much for its card, and another purchase's number": ([("r1", "N", 4_000, "nt_F", FIGMA)], "F"),
    "its card goes before the number": ([("r1", "F", 500, "nt_N", FIGMA)], "F"),
    "on nobody's card, found by the network's number": ([("r1", "X", 5_000, "nt_F", FIGMA)], "F"),
    "on nobody's card": ([("r1", "X", 5_000, "nt_X", FIGMA)], "-"),
    "on nobody's card, by another merchant": ([("r1", "X", 5_000, "nt_F", EVIL)], "-"),
    "a number that two purchases share says nothing": (
        [("t3", "F", 100, "nt_N", FIGMA), ("r1", "X", 50, "nt_N", FIGMA)],
        "-",
    ),
    "one that names the authorization goes first": (
        [("r3", "F", 4_000, None, FIGMA), ("s4", "F", 3_000, None, FIGMA)],
        "- F",
    ),
    "and of two in one second": ([("r3", "F", 4_000, None, FIGMA), ("s3", "F", 3_000, None, FIGMA)], "- F"),
    "one that has the network's number goes first": (
        [("r3", "F", 4_000, None, FIGMA), ("r4", "F", 3_000, "nt_F", FIGMA)],
        "- F",
    ),
    "of those that name it the earlier one": (
        [("s3", "F", 3_000, None, FIGMA), ("s4", "F", 3_000, "nt_F", FIGMA)],
        "F -",
    ),
    "what names another purchase's authorization does not": (
        [("r3", "F", 4_000, None, FIGMA), ("w4", "F", 3_000, None, FIGMA)],
        "F -",
    ),
    "of two alike in one second the lower id": (
        [("r3", "F", 3_000, None, FIGMA), ("w3", "F", 3_000, None, FIGMA)],
        "F -",
    ),
    "its own card's refund goes first": ([("r1", "X", 5_000, "nt_F", FIGMA), ("r2", "F", 1_000, None, FIGMA)], "- F"),
}


class Two:
    """Two purchases with a card each, Figma's and Notion's, and a card that nobody here made."""

    def __init__(self) -> None:
        self.books = MemoryBooks()
        self.purchases = {"F": self.books.ready(9_000, "Figma").id, "N": self.books.ready(9_000, "Notion").id}
        looked = new_promise(ORG, look_id(CONNECTION, NOBODY), "look_at_card", NOBODY, {}, 0)
        self.books.put(looked._replace(status="done"))

    def said(self, fact: Fact) -> TransactionStatement:
        id, card, amount, number, merchant = fact
        stripe_card = NOBODY if card == "X" else f"ic_{self.purchases[card]}"
        authorization = {"t": f"iauth_{card}", "s": f"iauth_{card}", "w": "iauth_N"}.get(id[0])
        made = transaction(id, "capture" if id[0] == "t" else "refund", amount, authorization, stripe_card, int(id[1:]))
        return made._replace(network_transaction_id=number, merchant=merchant)

    def book(self, fact: Fact) -> None:
        self.books.clock.advance(1)
        assert self.books.run(BookTransaction(ORG, CONNECTION, self.said(fact))) == "applied"
        all_is_well(self.books)

    def purchase(self, name: str) -> Purchase:
        found: Purchase = self.books.row(Purchase, id=self.purchases[name])
        return found

    def homes(self) -> str:
        names = {id: name for name, id in self.purchases.items()}
        rows = self.books.rows(StripeTransaction, type="refund")
        return " ".join(names.get(row.purchase_id, "-") for row in rows)

    def queue(self) -> list[str]:
        return [found.subject for found in self.open()]

    def open(self) -> list[Discrepancy]:
        """What waits, without when it was found."""
        found = self.books.rows(Discrepancy, kind="unmatched_refund", status="open")
        return [row._replace(created_at=0) for row in found]

    def result(self) -> Any:
        purchases = [self.purchase(name)._replace(updated_at=0, entry_count=0) for name in "FN"]
        rows = [row._replace(booked_at=0) for row in self.books.rows(StripeTransaction)]
        return purchases, rows, self.queue(), self.open()


@pytest.mark.parametrize("name", CASES)
def test_where_refunds_end_in_any_order(name: str) -> None:
    more, expected = CASES[name]
    results = []
    for order in itertools.permutations([*CAPTURES, *more]):
        two = Two()
        for fact in order:
            two.book(fact)
        two.book(order[0])
        assert two.homes() == expected, [fact[0] for fact in order]
        results.append(two.result())
    assert all(result == results[0] for result in results)
    ids = [fact[0] for fact in more if fact[0][0] != "t"]
    queued = [id for id, home in zip(ids, expected.split(), strict=True) if home == "-"]
    assert results[0][2] == sorted(queued, key=results[0][2].index)
    for place, purchase in zip("FN", results[0][0], strict=True):
        back = sum(fact[2] for fact, home in zip([f for f in more if f[0] in ids], expected.split(), strict=True)
                   if home == place)  # fmt: skip
        assert (purchase.refunded, purchase.spent) == (back, purchase.captured - back)


def test_a_refund_that_waits_moves_no_budget_and_its_capture_explains_it() -> None:
    two = Two()
    two.book(("r1", "F", 2_000, "nt_F", FIGMA))
    assert (two.homes(), two.queue()) == ("-", ["r1"])
    assert two.books.row(Discrepancy).purchase_id == two.purchases["F"]
    two.book(CAPTURES[0])
    assert (two.homes(), two.queue()) == ("F", [])
    found = two.books.row(Discrepancy, subject="r1")
    assert (found.status, found.resolved_by) == ("resolved", ROONY)
    assert found.note == f"It belongs to {two.purchases['F']}, by its card."
    actions = [record.action for record in two.books.rows(AuditRecord)]
    assert {"discrepancy.opened", "discrepancy.explained", "refund.matched"} <= set(actions)


def assign(two: Two, purchase: str, **changed: Any) -> Any:
    fields = {"refund": two.books.row(StripeTransaction, id="r1"), "actor": "usr_1", "note": "a credit note", **changed}
    finding = two.books.row(Discrepancy, kind="unmatched_refund")
    return two.books.run(AssignRefund(ORG, finding.id, purchase, fields["actor"], fields["note"], fields["refund"]))


def test_a_person_assigns_a_queued_refund_and_that_stays() -> None:
    two = Two()
    two.book(CAPTURES[1])
    two.book(("r1", "X", 3_100, None, EVIL))
    assert two.queue() == ["r1"]
    answer = assign(two, two.purchases["N"])
    assert (answer.status, answer.resolved_by, answer.note) == ("resolved", "usr_1", "a credit note")
    # More than was captured, as exchange rates make it, gives back what there is.
    assert (two.homes(), two.purchase("N").spent, two.purchase("N").refunded) == ("N", 0, 3_100)
    two.book(("r1", "X", 3_100, None, EVIL))
    two.book(("t1", "F", 5_000, "nt_F", FIGMA))
    two.book(("r2", "N", 100, "nt_N", NOTION))
    assert (two.homes(), two.queue()) == ("N -", ["r2"])
    assert two.books.row(Discrepancy, subject="r1").resolved_by == "usr_1"


def test_a_note_about_another_purchase_is_not_told_to_the_agent_whose_finding_it_was() -> None:
    """Nor is the purchase a refund was taken from: both may be another agent's (P7)."""
    two = Two()
    two.book(CAPTURES[0])
    two.book(CAPTURES[1])
    two.book(("r1", "N", 3_100, None, EVIL))
    assert two.books.row(Discrepancy, kind="unmatched_refund").purchase_id == two.purchases["N"]
    assert not isinstance(assign(two, two.purchases["F"], note=f"Not of {two.purchases['N']}."), Refusal)
    assert two.homes() == "F"
    all_is_well(two.books)


def test_what_cannot_be_assigned() -> None:
    two = Two()
    two.book(CAPTURES[1])
    two.book(("r1", "X", 3_000, None, EVIL))
    before = two.result()
    assert assign(two, two.purchases["F"]).code == "nothing_to_refund"
    assert assign(two, "pur_nobody").code == "not_found"
    assert two.result() == before
    assert not isinstance(assign(two, two.purchases["N"]), Refusal)
    assert assign(two, two.purchases["N"]).code == "already_resolved"


def test_a_card_of_nobody_that_pays_again_after_a_person_looked_is_found_again() -> None:
    """Where the organization declines such cards, a note about the first payment says nothing of the next one."""
    two = Two()

    def status() -> str:
        return str(two.books.row(Discrepancy, kind="unknown_card").status)

    def pay(id: str) -> None:
        two.books.clock.advance(1)
        second = two.books.clock() // SECOND
        said = transaction(id, "capture", 900, None, NOBODY, second)
        assert two.books.run(BookTransaction(ORG, CONNECTION, said)) == "applied"

    def look() -> None:
        two.books.clock.advance(1)
        id = two.books.row(Discrepancy, kind="unknown_card").id
        assert not isinstance(two.books.run(ResolveDiscrepancy(ORG, id, "usr_1", "The bookkeeper's.")), Refusal)

    pay("t1")
    first = two.books.clock() // SECOND
    look()
    told_again = transaction("t1", "capture", 900, None, NOBODY, first)
    two.books.run(BookTransaction(ORG, CONNECTION, told_again))
    assert status() == "resolved", "the same payment"
    pay("t2")
    assert status() == "open"
    assert two.books.row(Discrepancy, kind="unknown_card").found == f"900 usd with {NOBODY} by FIGMA"
    look()
    two.books.put(two.books.row(Organization, id=ORG)._replace(unknown_cards="approve", config_version="c9"))
    pay("t3")
    assert status() == "resolved", "such cards are welcome"


def test_what_a_person_resolved_stays_resolved_when_it_is_found_again() -> None:
    two = Two()
    two.book(("r1", "F", 2_000, "nt_F", FIGMA))
    finding = two.books.row(Discrepancy)
    two.books.run(ResolveDiscrepancy(ORG, finding.id, "usr_1", "seen"))
    two.book(("r1", "F", 2_000, "nt_F", FIGMA))
    two.book(CAPTURES[0])
    after = two.books.row(Discrepancy, subject="r1")
    assert (after.status, after.resolved_by, after.note) == ("resolved", "usr_1", "seen")
    assert two.homes() == "F"
