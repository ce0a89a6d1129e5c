"""The tokens of a Stripe App: an hour of access, a refresh token good for one use, and who may use it (facts 6.3)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from roony.core.duration import HOUR, SECOND

# Stripe names no time; an access token lives one hour.
ACCESS_LIFETIME = HOUR
# How long before its end an access token is replaced.
REFRESH_MARGIN = 300 * SECOND
# How long one holder may be about it, its tries included. It begins no call that may outlast this.
LEASE = 30 * SECOND
# After a refresh that brought nothing, the next one waits twice as long each time, at most so long.
FIRST_PAUSE = 2 * SECOND
LONGEST_PAUSE = 300 * SECOND


class AppTokens(NamedTuple):
    """What is known of the pair of tokens of one app connection; the sealed tokens lie in `connection_secrets`.

    `generation` rises with every pair. `holder` is who uses the refresh token, at most until `lease_until`; one who was
    not heard of by then took the outcome along, and the pair is `lost`: its refresh token may be dead, and is never
    used again. `unsure`: a refresh ended without a clear answer, so that a refusal may mean that the pair was issued.
    `failures` in a row, the next try not before `retry_at`. Times in microseconds UTC; `obtained_at` is when Stripe was
    asked for it, so that the token lives a little longer than we think.
    """

    organization_id: str
    connection_id: str
    generation: int
    obtained_at: int
    expires_at: int
    holder: str | None
    lease_until: int
    lost: int
    unsure: int
    failures: int
    retry_at: int


class Step(StrEnum):
    """What whoever wants a token does now."""

    USE = "use"  # the access token is good
    REFRESH = "refresh"  # take the lease and ask Stripe
    WAIT = "wait"  # somebody is about it
    LATER = "later"  # the last try brought nothing; the next one is not due
    LOSE = "lose"  # the holder is gone and took the outcome along
    GONE = "gone"  # no token, and none to get: the owner has to connect again


def fresh_pair(
    before: AppTokens | None, organization_id: str, connection_id: str, obtained_at: int, now: int
) -> AppTokens:
    """The next generation, asked for at `obtained_at`; whoever held the one before has no say any more."""
    generation = before.generation + 1 if before is not None else 1
    since = min(obtained_at, now)
    return AppTokens(organization_id, connection_id, generation, since, since + ACCESS_LIFETIME, None, 0, 0, 0, 0, 0)


def no_pair(before: AppTokens) -> AppTokens:
    """The tokens are erased. A pair that is still on its way to whoever held the lease comes too late."""
    if not before.expires_at:
        return before
    return before._replace(generation=before.generation + 1, expires_at=0, holder=None, lease_until=0)


def is_usable(tokens: AppTokens, now: int, rejected: int | None = None) -> bool:
    """True while Stripe should take the access token. `rejected` is the generation it was seen to refuse."""
    return now < tokens.expires_at and tokens.generation != rejected


def next_step(tokens: AppTokens, now: int, rejected: int | None = None) -> Step:
    """What to do for a call. Nobody ever uses a refresh token that another one may have used: better none at all."""
    usable = is_usable(tokens, now, rejected)
    if usable and now < tokens.expires_at - REFRESH_MARGIN:
        return Step.USE
    if tokens.lost:
        return Step.USE if usable else Step.GONE
    if tokens.holder is not None and tokens.lease_until <= now:
        return Step.LOSE
    if tokens.holder is not None:
        return Step.USE if usable else Step.WAIT
    if tokens.retry_at > now:
        return Step.USE if usable else Step.LATER
    return Step.REFRESH


def held(tokens: AppTokens, holder: str, now: int) -> AppTokens:
    """The lease is taken."""
    return tokens._replace(holder=holder, lease_until=now + LEASE)


def given_back(tokens: AppTokens, unsure: bool, now: int) -> AppTokens:
    """A refresh brought nothing. `unsure`: Stripe may have issued a pair; else the refresh token is good as before."""
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tokens.failures, 10))
    return tokens._replace(
        holder=None,
        lease_until=0,
        lost=int(bool(tokens.lost) and unsure),
        unsure=int(unsure or bool(tokens.unsure)),
        failures=tokens.failures + 1,
        retry_at=now + pause,
    )
