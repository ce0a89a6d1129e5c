"""What does not fit, as a function of what is known: captures against ends, amounts, currencies; and answers (P3)."""

from __future__ import annotations

import itertools
import json

import pytest

from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.finding import Finding, answer_findings, capture_findings, discrepancy_id, history_of, in_words
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase
from roony.core.settlement import DISCREPANCY_KINDS, StripeTransaction, with_final
from tests.core.rows import row
from tests.support.story import FIGMA, history, statement, transaction

PURCHASE = row(Purchase, id="pur_1", currency="usd", hold_amount=10_000, merchant=FIGMA.to_json())
KNOWN = row(
    Authorization, id="A", status="pending", approved=1, amount=10_000, history_length=1, currency="usd",
    merchant=FIGMA.to_json(), finals="{}", history="[]",
)  # fmt: skip


def capture(id: str, amount: int = 100, **more: object) -> StripeTransaction:
    fields = {"authorization_id": "A", "currency": "usd", "merchant": FIGMA.to_json(), **more}
    return row(StripeTransaction, id=id, type="capture", amount=amount, **fields)


def kinds(known: Authorization, captures: list[StripeTransaction], purchase: Purchase = PURCHASE) -> list[str]:
    total = sum(item.amount for item in captures)
    mine = sum(item.amount for item in captures if item.authorization_id == known.id)
    found = capture_findings(
        purchase._replace(captured=total),
        [known._replace(captured=mine)],
        captures,
        lambda item: "FIGMA" in item.merchant,
    )
    return sorted(kind for (kind, _), result in found.items() if isinstance(result, Finding))


def ended(**lists: list[str]) -> Authorization:
    return KNOWN._replace(finals=json.dumps(lists))


DECLINED = KNOWN._replace(approved=0, status="closed")
CASES = [
    ("as authorized", KNOWN, [capture("t1", 10_000)], []),
    ("several", KNOWN, [capture("t1", 4_000), capture("t2", 6_000)], []),
    ("a tip inside the hold", KNOWN._replace(amount=9_000), [capture("t1", 10_000)], []),
    ("more than the hold", KNOWN, [capture("t1", 10_001)], ["over_capture"]),
    ("more, of which nothing is stated yet", KNOWN._replace(history_length=0), [capture("t1", 10_001)], []),
    ("the second one takes more than all", KNOWN._replace(amount=100), [capture("t1", 9_000), capture("t2", 9_000)],
     ["over_capture"]),
    ("listed when it expired", ended(expired=["t1"]), [capture("t1")], []),
    ("not listed when it expired", ended(expired=["t1"]), [capture("t1"), capture("t2")], ["late_capture"]),
    ("listed when it closed", ended(closed=["t1"]), [capture("t1")], []),
    ("not listed when it closed", ended(closed=["t1"]), [capture("t1"), capture("t2")], ["extra_capture"]),
    ("reversed", ended(reversed=[]), [capture("t1")], ["extra_capture"]),
    ("late, and listed when it closed", ended(expired=[], closed=["t1"]), [capture("t1")], ["late_capture"]),
    ("declined", DECLINED, [capture("t1")], ["extra_capture"]),
    ("declined by us, not confirmed", DECLINED._replace(provisional=1), [capture("t1")], []),
    ("without authorization", KNOWN, [capture("t1", authorization_id=None)], ["force_capture"]),
    ("in another currency", KNOWN, [capture("t1", currency="eur")], ["currency_mismatch"]),
    ("to another merchant", KNOWN, [capture("t1", merchant='{"name": "EVIL"}')], ["merchant_mismatch"]),
    ("to the merchant that was stated", KNOWN._replace(merchant='{"name": "EVIL"}'),
     [capture("t1", merchant='{"name": "EVIL"}')], []),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_captures(case: tuple[str, Authorization, list[StripeTransaction], list[str]]) -> None:
    _, known, captures, expected = case
    assert kinds(known, captures) == expected
    assert kinds(known, captures[::-1]) == expected


def test_ends_are_remembered_in_any_order() -> None:
    """What all statements of an end list was captured before it."""
    t1, t2 = (transaction(id, "capture", 100, "A", "ic_1", 1) for id in ("t1", "t2"))
    ends = [
        statement("A", "ic_1", "expired", 1_000, history("yes", 1_000), 1, (t1,)),
        statement("A", "ic_1", "expired", 1_000, history("yes", 1_000), 2, (t1, t2)),
        statement("A", "ic_1", "closed", 1_000, history("yes", 1_000), 3, ()),
        statement("A", "ic_1", "closed", 1_000, history("yes", 1_000), 3, (t1, t2)),
        statement("A", "ic_1", "pending", 1_000, history("yes", 1_000), 0, ()),
    ]
    for order in itertools.permutations(ends):
        known = KNOWN
        for said in order:
            known = with_final(with_final(known, said), said)
        assert json.loads(known.finals) == {"expired": ["t1"], "closed": ["t1", "t2"]}


def decision(ordinal: int, word: str, code: str = "APPROVED", answered: str | None = None) -> AuthorizationDecision:
    approved = word == "yes"
    answered = answered or ("approved" if approved else "declined")
    return row(AuthorizationDecision, ordinal=ordinal, approved=int(approved), code=code, answered=answered)


ANSWERS = [
    ("as answered", "yes,no", [decision(0, "yes"), decision(1, "no", "OVER_HOLD")], []),
    ("alone", "active", [], ["approved_without_roony"]),
    ("declined alone", "controls", [], []),
    ("our yes too late", "timeout", [decision(0, "yes")], ["answer_not_honoured"]),
    ("our no not heard", "late", [decision(0, "no", "FROZEN")], ["answer_not_honoured"]),
    ("our yes taken back", "yes", [decision(0, "yes", answered="declined")], ["answer_not_honoured"]),
    ("a raise alone", "yes,active:5", [decision(0, "yes")], ["approved_without_roony"]),
    ("a stale one is no answer", "active", [decision(0, "no", "STALE")], ["approved_without_roony"]),
    ("both", "timeout,active:5", [decision(0, "yes")], ["answer_not_honoured", "approved_without_roony"]),
]


@pytest.mark.parametrize("case", ANSWERS, ids=[case[0] for case in ANSWERS])
def test_answers(case: tuple[str, str, list[AuthorizationDecision], list[str]]) -> None:
    _, words, decisions, expected = case
    known = KNOWN._replace(history=json.dumps([list(entry) for entry in history(words, 100)]), amount=100)
    found = answer_findings(known, decisions, 100)
    assert sorted(kind for (kind, _), result in found.items() if isinstance(result, Finding)) == expected
    assert {subject for _, subject in found} == {"A"}


# What Stripe authorized in all, the hold, and whether that is more than was answered: 100 and 50 on top.
MORE = [(150, 100, False), (151, 100, True), (151, 151, False), (151, 150, True), (90, 0, False)]


@pytest.mark.parametrize(("amount", "hold", "is_found"), MORE)
def test_more_than_was_answered(amount: int, hold: int, is_found: bool) -> None:
    decisions = [decision(0, "yes")._replace(approved_amount=100), decision(1, "yes")._replace(approved_amount=50)]
    entries = json.dumps([list(entry) for entry in history("yes,yes:50", 100)])
    found = answer_findings(KNOWN._replace(history=entries, amount=amount), decisions, hold)
    expected = Finding("150 usd approved", f"{amount} usd authorized")
    assert (found[("answer_not_honoured", KNOWN.id)] == expected) is is_found


def test_what_was_declined_was_authorized_for_nothing() -> None:
    """Its amount is what was asked for (facts 2.3)."""
    entries = json.dumps([list(entry) for entry in history("no", 900)])
    found = answer_findings(KNOWN._replace(history=entries, amount=900), [decision(0, "no", "OVER_HOLD")], 100)
    assert not any(isinstance(result, Finding) for result in found.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("6000 usd captured", "60.00 USD captured"),
        ("authorization of 700 jpy, closed", "authorization of 700 JPY, closed"),
        ("1000 usd with ic_1 by 9 men, 500 usd each", "10.00 USD with ic_1 by 9 men, 500 usd each"),
        ("12 ice creams", "12 ice creams"),
        (Merchant("Figma", network_id="net 5").to_json(), "name Figma, network id net 5"),
    ],
)
def test_amounts_are_told_as_people_write_them(text: str, words: str) -> None:
    assert in_words(text) == words


def test_the_history_is_read_as_it_was_written() -> None:
    entries = history("yes,no:5", 100)
    known = KNOWN._replace(history=json.dumps([list(entry) for entry in entries]))
    assert tuple(history_of(known)) == entries
    assert history_of(KNOWN) == []


def test_ids_differ_by_kind_and_subject() -> None:
    ids = {discrepancy_id(kind, subject) for kind in DISCREPANCY_KINDS for subject in ("a", "b")}
    assert len(ids) == 2 * len(DISCREPANCY_KINDS)
