"""Mandates as pure functions: intervals in every time zone, which payment a fact belongs to, room in the budgets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.authorization import Authorization
from roony.core.budget import Budget, have_room, period_start
from roony.core.connection import Connection
from roony.core.decision import Ask, Facts, decide
from roony.core.mandate import (
    MOST_PAYMENTS,
    Payment,
    card_end,
    hold_id_alone,
    mandate_end,
    next_start,
    paid_intervals,
    payment_of,
    shares,
)
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase, fingerprint
from roony.core.settlement import StripeTransaction
from tests.core.rows import AGENT, CONNECTION, ORGANIZATION, PROJECT, row
from tests.core.test_budget import ZONES, local, micro

MONTHLY = row(Purchase, id="pur_1", interval="month", payments=3)._replace(kind="recurring")
SECOND = 1_000_000
PAYMENTS = [
    row(Payment, sequence=at, created_at=at * 100 * SECOND, interval_start=at, hold_amount=10) for at in (1, 2, 3)
]


@pytest.mark.parametrize(
    ("interval", "zone", "now", "start"),
    [
        pytest.param("day", "UTC", "2026-11-23T06:00", "2026-11-24T00:00", id="day"),
        pytest.param("day", "Europe/Prague", "2026-10-25T12:00", "2026-10-25T23:00", id="day-of-25-hours"),
        pytest.param("day", "Europe/Prague", "2026-03-29T00:00", "2026-03-29T22:00", id="day-of-23-hours"),
        pytest.param("day", "Pacific/Apia", "2011-12-30T09:59", "2011-12-30T10:00", id="a-day-left-out"),
        pytest.param("week", "UTC", "2026-11-23T00:00", "2026-11-30T00:00", id="week"),
        pytest.param("month", "UTC", "2027-01-31T23:59", "2027-02-01T00:00", id="month"),
        pytest.param("month", "America/New_York", "2027-02-01T04:59", "2027-02-01T05:00", id="new-york-is-behind"),
        pytest.param("year", "UTC", "2028-12-31T23:59", "2029-01-01T00:00", id="leap-year"),
        pytest.param("year", "Asia/Tokyo", "2026-12-31T15:00", "2027-12-31T15:00", id="tokyo-is-ahead"),
    ],
)
def test_the_next_interval(interval: str, zone: str, now: str, start: str) -> None:
    assert next_start(interval, zone, micro(now)) == micro(start)


@given(
    interval=st.sampled_from(("day", "week", "month", "year")),
    zone=st.sampled_from(ZONES),
    seconds=st.integers(1_000_000_000, 2_400_000_000),
)
def test_intervals_follow_each_other_without_gap(interval: str, zone: str, seconds: int) -> None:
    now = seconds * 1_000_000
    start, after = period_start(interval, zone, now), next_start(interval, zone, now)
    assert start <= now < after
    assert period_start(interval, zone, after - 1) == start
    assert period_start(interval, zone, after) == after
    assert local(after, zone).date() > local(start, zone).date()


def test_a_mandate_ends_after_its_last_interval_and_before_its_card() -> None:
    now = micro("2026-11-28T12:00")
    assert mandate_end("month", 3, "UTC", now) == micro("2027-02-01T00:00")
    assert card_end(MONTHLY, "UTC", now, 2030, 12) == micro("2027-02-01T00:00")
    assert card_end(MONTHLY, "UTC", now, 2026, 12) == micro("2027-01-01T00:00")
    assert card_end(MONTHLY, "UTC", now, 2026, 11) == micro("2026-12-01T00:00")
    for interval, most in MOST_PAYMENTS.items():
        years = (mandate_end(interval, most, "UTC", now) - now) / (365.25 * 86_400 * 1_000_000)
        assert years < 3


@pytest.mark.parametrize(
    ("known", "sequence"),
    [
        ({"payment": 2, "began_at": 350 * SECOND}, 2),
        ({"began_at": 50 * SECOND}, 1),
        ({"began_at": 200 * SECOND - 1}, 1),
        ({"began_at": 200 * SECOND}, 2),
        ({"began_at": 999 * SECOND}, 3),
        ({"created_at": 250 * SECOND}, 2),
    ],
)
def test_the_payment_of_an_authorization(known: dict[str, Any], sequence: int) -> None:
    assert payment_of(row(Authorization, id="A", **known), PAYMENTS).sequence == sequence


@pytest.mark.parametrize(
    ("known", "paid"),
    [
        ({"approved": 1, "status": "pending", "amount": 5_000}, {2: False}),
        ({"approved": 1, "status": "closed", "amount": 5_000}, {2: False}),
        ({"approved": 1, "status": "closed", "amount": 5_000, "captured": 5_000}, {2: True}),
        ({"approved": 0, "status": "closed", "amount": 5_000}, {}),
        ({"approved": 1, "status": "reversed"}, {}),
        ({"approved": 1, "status": "expired", "amount": 5_000}, {}),
        ({"approved": 1, "status": "expired", "amount": 5_000, "captured": 1}, {2: True}),
        ({"approved": 1, "status": "pending", "amount": 100, "card_check": 1}, {}),
        ({"approved": 1, "status": "closed", "amount": 100, "card_check": 1, "captured": 100}, {2: True}),
        ({"payment": 0, "captured": 5_000}, {}),
        ({"payment": 0, "captured": 5_000, "began_at": micro("2027-01-15T00:00")}, {micro("2027-01-01T00:00"): True}),
    ],
)
def test_which_authorizations_count(known: dict[str, Any], paid: dict[int, bool]) -> None:
    authorization = row(Authorization, **{"id": "A", "payment": 2, **known})
    assert paid_intervals(MONTHLY, PAYMENTS, [authorization], "UTC") == paid


def moved(
    id: str, word: str, amount: int, at: int, authorization: str | None = None, network: str | None = None
) -> Any:
    return row(
        StripeTransaction, id=id, type=word, amount=amount, created_at=at * SECOND, authorization_id=authorization,
        network_transaction_id=network,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("transactions", "found"),
    [
        pytest.param([moved("c", "capture", 7, 150)], [(7, 0), (0, 0), (0, 0)], id="loose, by its time"),
        pytest.param([moved("c", "capture", 7, 350, "A")], [(0, 0), (0, 0), (0, 0)], id="with its authorization"),
        pytest.param(
            [moved("c", "capture", 7, 350, "A"), moved("r", "refund", 5, 360, "A")],
            [(0, 5), (0, 0), (0, 0)], id="a refund with its authorization",
        ),
        pytest.param(
            [
                moved("c", "capture", 7, 150, None, "n1"), moved("d", "capture", 9, 250),
                moved("r", "refund", 5, 360, None, "n1"),
            ],
            [(7, 5), (9, 0), (0, 0)], id="a refund by the network's id",
        ),
        pytest.param(
            [moved("c", "capture", 7, 150), moved("d", "capture", 9, 250), moved("r", "refund", 12, 260)],
            [(7, 3), (9, 9), (0, 0)], id="a refund over two payments",
        ),
        pytest.param(
            [moved("c", "capture", 7, 150), moved("r", "refund", 9, 360)],
            [(7, 9), (0, 0), (0, 0)], id="more than was captured",
        ),
    ],
)  # fmt: skip
def test_captures_and_refunds_find_their_payment(transactions: list[Any], found: list[tuple[int, int]]) -> None:
    known = [row(Authorization, id="A", payment=1)]
    for order in (transactions, transactions[::-1]):
        assert [(p.loose_captured, p.refunded) for p in shares(PAYMENTS, known, order)] == found


def test_of_two_payments_in_one_second_their_ids_say_which_is_newer() -> None:
    """Whichever was heard of first: a refund is taken from the same one, also before the one of a later day."""
    first, later = PAYMENTS[0], 300 * SECOND
    for c, d, e in ((2, 3, 4), (3, 2, 4), (4, 3, 2)):
        at = {"c": (c, 200 * SECOND), "d": (d, 200 * SECOND + 1), "e": (e, later)}
        own = [first._replace(sequence=n, hold_id=hold_id_alone(id), created_at=t) for id, (n, t) in at.items()]
        payments = [first, *sorted(own, key=lambda payment: payment.sequence)]
        before = [moved("a", "capture", 9, 100), moved("r", "refund", 10, 250)]
        after = [moved("c", "capture", 7, 200), moved("d", "capture", 8, 200), moved("e", "capture", 5, 300)]
        known = [row(Authorization, id="A", payment=1, began_at=100 * SECOND, approved=1)]
        found = {payment.sequence: payment.refunded for payment in shares(payments, known, before + after)}
        assert (found[c], found[d], found[e]) == (0, 8, 2)


def test_a_mandate_is_another_wish() -> None:
    once = fingerprint("t", "figma", 5_000, "usd")
    assert (
        once
        == fingerprint("t", "figma", 5_000, "usd", "one_time")
        != fingerprint("t", "figma", 5_000, "usd", "recurring")
    )


budget_rows = st.lists(
    st.tuples(
        st.sampled_from(["task", "agent", "project", "organization"]), st.sampled_from(["usd", "eur"]),
        st.one_of(st.none(), st.integers(0, 300)), st.integers(0, 200), st.integers(0, 200),
    ),
    max_size=6,
)  # fmt: skip


@given(rows=budget_rows, amount=st.integers(1, 200), unbudgeted=st.booleans())
def test_a_renewal_finds_room_where_an_ask_does(rows: list[Any], amount: int, unbudgeted: bool) -> None:
    """The live check and `decide()` read the budgets alike."""
    budgets = tuple(
        (row(Budget, scope=scope, currency=currency, period="month", limit_amount=limit), held, spent)
        for scope, currency, limit, held, spent in rows
    )
    connection: Connection = CONNECTION
    organization = ORGANIZATION._replace(unbudgeted=int(unbudgeted))
    facts = Facts(organization, PROJECT, AGENT, connection, (), budgets, None, (0, 0), True)
    decision = decide(Ask(amount, "usd", Merchant("Figma", None, None, None, None)), facts, 0)
    short = any(reason.code == "BUDGET_EXCEEDED" for reason in decision.reasons)
    assert have_room(budgets, "usd", amount, unbudgeted=unbudgeted) == (not short)
