"""Why a connection is restricted, what may end that, and which reports contradict what its owner confirmed."""

from __future__ import annotations

from itertools import permutations

import pytest

from roony.core.confirmation import (
    REALTIME_URL,
    TIMEOUT_DECLINES,
    Evidence,
    confirmed,
    contradicted,
    evidence_in,
    is_contradicted,
    unconfirmed,
    withdrawn,
)
from roony.core.connection import NEXT, PERSONAL, Connection, Seen, as_seen, lift, restrict, restrictions_of

S = 1_000_000
ACTIVE = Connection("org_1", "con_1", "connect", "active", "acct_1", 0, None, "usd", None, 0, 0)


class TestRestrictions:
    """Status follows from the reasons."""

    def test_reasons_in_any_order_end_alike_and_each_must_go(self) -> None:
        codes = ("permission_missing", "key_refused", "capability_inactive")
        for order in permutations(codes):
            row = ACTIVE
            for code in order:
                row = restrict(row, code, "no", 5)
            assert (row.status, row.status_reason) == ("restricted", "key_refused: no")
            assert [item.code for item in restrictions_of(row)] == sorted(codes, key=list(NEXT).index)
            row = lift(row, ("key_refused", "permission_missing"))
            assert (row.status, row.status_reason) == ("restricted", "capability_inactive: no")
            assert lift(row, ("capability_inactive",)) == ACTIVE

    def test_one_said_again_keeps_its_time_and_gets_the_newer_words(self) -> None:
        row = restrict(restrict(ACTIVE, "key_refused", "first", 5), "key_refused", "second", 9)
        assert restrictions_of(row)[0][1:] == ("second", 5)

    def test_a_look_ends_only_what_began_before_it(self) -> None:
        row = restrict(ACTIVE, "key_refused", "no", 10)
        assert lift(row, ("key_refused",), before=9).status == "restricted"
        assert lift(row, ("key_refused",), before=10).status == "active"

    @pytest.mark.parametrize("status", ["pending", "revoked", "expired"])
    def test_one_that_is_over_stays_over(self, status: str) -> None:
        row = ACTIVE._replace(status=status, status_reason="over")
        assert restrict(row, "key_refused", "no", 1)[3] == status
        assert lift(restrict(row, "key_refused", "no", 1), ("key_refused",)) == row

    def test_what_only_a_person_can_clear_is_named(self) -> None:
        assert set(NEXT) > PERSONAL
        passing = {"key_refused", "key_missing", "permission_missing", "capability_inactive", "cardholder_refused"}
        assert passing == set(NEXT) - PERSONAL


class TestAsSeen:
    """What a look at the account makes of a connection."""

    @pytest.mark.parametrize(
        ("known", "told", "status"),
        [
            (None, "active", "active"),
            (None, "inactive", "restricted"),
            (None, "pending", "restricted"),
            (None, None, "active"),  # an account that does not name it: unknown, and nothing was lost
            ("active", None, "restricted"),
            ("unrequested", None, "restricted"),
            ("inactive", "active", "active"),
        ],
    )
    def test_the_capability(self, known: str | None, told: str | None, status: str) -> None:
        row = as_seen(ACTIVE._replace(card_issuing=known), Seen(told, None, False, 7), False, 8)
        assert (row.status, row.account_seen_at) == (status, 7)
        assert as_seen(row, Seen("active", None, False, 9), False, 9).status == "active"

    @pytest.mark.parametrize(
        ("other", "chosen", "status"),
        [(0, False, "active"), (3, True, "active"), (3, False, "restricted"), (None, False, "active")],
    )
    def test_other_cards(self, other: int | None, chosen: bool, status: str) -> None:
        assert as_seen(ACTIVE, Seen("active", other, False, 7), chosen, 8).status == status

    def test_cards_that_were_not_counted_change_nothing(self) -> None:
        row = as_seen(ACTIVE, Seen("active", 3, True, 7), False, 8)
        assert "more than 3" in (row.status_reason or "")
        assert as_seen(row, Seen("active", None, False, 9), False, 9).status == "restricted"
        assert as_seen(row, Seen("active", 0, False, 9), False, 9).status == "active"


class TestEvidence:
    """A request history against what the owner confirmed."""

    @pytest.mark.parametrize(
        ("approved", "reason", "name"),
        [
            (True, "card_active", REALTIME_URL),
            (True, "webhook_timeout", TIMEOUT_DECLINES),
            (True, "webhook_error", TIMEOUT_DECLINES),
            (False, "webhook_timeout", None),
            (False, "webhook_error", None),
            (True, "webhook_approved", None),
            (True, "network_fallback", None),
            (True, "something_new", None),
        ],
    )
    def test_reasons(self, approved: bool, reason: str, name: str | None) -> None:
        found = evidence_in([{"approved": approved, "reason": reason, "created": 12}])
        assert found == ((Evidence(name, reason, 12 * S),) if name else ())

    def test_the_latest_of_each_kind_counts(self) -> None:
        said = [{"approved": True, "reason": "card_active", "created": at} for at in (5, 9, 7)]
        assert evidence_in(said) == (Evidence(REALTIME_URL, "card_active", 9 * S),)

    def test_any_order_of_evidence_and_a_confirmation_ends_alike(self) -> None:
        early, late = Evidence(REALTIME_URL, "card_active", 3 * S), Evidence(REALTIME_URL, "card_active", 20 * S)
        for reports in permutations((early, late, early, late)):
            row = unconfirmed("org_1", "con_1", REALTIME_URL, 0)
            row = confirmed(row, "yes", "usr_1", 10 * S)
            for report in reports:
                row = contradicted(row, report, "iauth_1", 0, 30 * S)
            assert (row.contradicted_at, row.confirmed_by, row.value) == (20 * S, None, None)
            row = confirmed(row, "yes", "usr_1", 30 * S)
            for report in reports:
                assert contradicted(row, report, "iauth_1", 0, 40 * S) == row
            assert not is_contradicted(row)

    def test_never_confirmed_it_counts_from_the_activation_on(self) -> None:
        row = unconfirmed("org_1", "con_1", REALTIME_URL, 0)
        assert contradicted(row, Evidence(REALTIME_URL, "card_active", 5 * S), "iauth_1", 5 * S, 9 * S) == row
        assert is_contradicted(contradicted(row, Evidence(REALTIME_URL, "card_active", 6 * S), "iauth_1", 5 * S, 9 * S))

    def test_a_clock_of_stripes_that_is_ahead_makes_no_old_evidence_new(self) -> None:
        ahead = Evidence(REALTIME_URL, "card_active", 50 * S)
        row = contradicted(unconfirmed("org_1", "con_1", REALTIME_URL, 0), ahead, "iauth_1", 0, 10 * S)
        row = confirmed(row, "yes", "usr_1", 12 * S)
        assert contradicted(row, ahead, "iauth_1", 0, 13 * S) == row

    def test_taken_back_is_not_contradicted(self) -> None:
        row = withdrawn(confirmed(unconfirmed("org_1", "con_1", REALTIME_URL, 0), "yes", "usr_1", 10), 20)
        assert (row.value, row.confirmed_by, is_contradicted(row)) == (None, None, False)
