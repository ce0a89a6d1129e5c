"""Whose turn it is to renew an app's tokens: everybody uses, one refreshes, nobody uses a doubtful refresh token."""

from __future__ import annotations

import pytest

from roony.core.app_token import (
    ACCESS_LIFETIME,
    FIRST_PAUSE,
    LEASE,
    LONGEST_PAUSE,
    REFRESH_MARGIN,
    AppTokens,
    Step,
    fresh_pair,
    given_back,
    held,
    next_step,
    no_pair,
)

SECOND = 1_000_000
NOW = 1_000_000 * SECOND
FRESH, OLD, OVER = NOW + ACCESS_LIFETIME, NOW + REFRESH_MARGIN, NOW
MINE = {"holder": "ref_1", "lease_until": NOW + 1}
DEAD = {"holder": "ref_1", "lease_until": NOW}


def tokens(expires_at: int = FRESH, **more: object) -> AppTokens:
    pair = AppTokens("org_1", "con_1", 7, 0, expires_at, None, 0, 0, 0, 0, 0)
    return pair._replace(**more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pair", "rejected", "step"),
    [
        (tokens(), None, Step.USE),
        (tokens(OLD + 1), None, Step.USE),
        # Before its end it is renewed; nobody but the holder waits for that.
        (tokens(OLD), None, Step.REFRESH),
        (tokens(OVER), None, Step.REFRESH),
        (tokens(OLD, **MINE), None, Step.USE),
        (tokens(OVER, **MINE), None, Step.WAIT),
        # Refused by Stripe: as good as over, for the one that saw it refused and only for that generation.
        (tokens(), 7, Step.REFRESH),
        (tokens(), 6, Step.USE),
        (tokens(**MINE), 7, Step.WAIT),
        # The holder's time is over, and nobody heard of it.
        (tokens(OLD, **DEAD), None, Step.LOSE),
        (tokens(OVER, **DEAD), None, Step.LOSE),
        (tokens(OLD, lost=1, **DEAD), None, Step.USE),
        (tokens(OVER, lost=1, **DEAD), None, Step.GONE),
        (tokens(OVER, lost=1), None, Step.GONE),
        (tokens(lost=1), 7, Step.GONE),
        # The last try brought nothing.
        (tokens(OLD, retry_at=NOW + 1), None, Step.USE),
        (tokens(OVER, retry_at=NOW + 1), None, Step.LATER),
        (tokens(OVER, retry_at=NOW), None, Step.REFRESH),
        (tokens(OVER, retry_at=NOW, unsure=1), None, Step.REFRESH),
    ],
)
def test_what_to_do(pair: AppTokens, rejected: int | None, step: Step) -> None:
    assert next_step(pair, NOW, rejected) is step


def test_a_lease_lasts_and_is_given_back_with_longer_and_longer_pauses() -> None:
    pair = held(tokens(OVER), "ref_2", NOW)
    assert (pair.holder, pair.lease_until, next_step(pair, NOW)) == ("ref_2", NOW + LEASE, Step.WAIT)
    pauses = []
    for _ in range(12):
        pair = given_back(pair, False, NOW)
        pauses.append(pair.retry_at - NOW)
        assert (pair.holder, pair.unsure, pair.lost) == (None, 0, 0)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_doubt_stays_until_there_is_a_new_pair() -> None:
    unsure = given_back(held(tokens(OVER), "ref_2", NOW), True, NOW)
    assert unsure.unsure == 1
    assert given_back(unsure, False, NOW).unsure == 1
    # Lost, and its holder comes back: with nothing done the token is as good as before, without certainty it is not.
    assert given_back(tokens(OVER, lost=1, **DEAD), False, NOW).lost == 0
    assert given_back(tokens(OVER, lost=1, **DEAD), True, NOW).lost == 1
    new = fresh_pair(unsure, "org_1", "con_1", NOW - SECOND, NOW)
    assert (new.generation, new.unsure, new.failures, new.retry_at) == (8, 0, 0, 0)
    assert (new.obtained_at, new.expires_at) == (NOW - SECOND, NOW - SECOND + ACCESS_LIFETIME)


def test_a_pair_is_never_taken_to_live_longer_than_it_does() -> None:
    """Our clock may be ahead of the books'."""
    assert fresh_pair(None, "org_1", "con_1", NOW + SECOND, NOW).expires_at == NOW + ACCESS_LIFETIME
    assert fresh_pair(None, "org_1", "con_1", NOW, NOW).generation == 1


def test_erased_tokens_are_of_no_generation_anybody_holds() -> None:
    pair = held(tokens(OVER + 1), "ref_2", NOW)
    erased = no_pair(pair)
    assert (erased.generation, erased.holder, erased.expires_at) == (8, None, 0)
    assert no_pair(erased) == erased
