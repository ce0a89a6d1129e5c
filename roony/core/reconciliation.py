"""Asking Stripe what was missed: when a run is due, which time it covers, how many reads it may use, what differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from roony.core.duration import DAY, HOUR, SECOND
from roony.core.hashing import derived_id

# The pace of design section 8, in microseconds: undelivered events, and the lists of what there is.
EVENTS_PACE = 15 * 60 * SECOND
LISTS_PACE = HOUR
# The pace of undelivered events once the read allowance is used up; below GAP, so that being slow is no gap.
SLOW_PACE = 30 * 60 * SECOND
# A run begins this much before the last one of its kind ended: an event may be listed late, an object change later.
EVENTS_OVERLAP = HOUR
LISTS_OVERLAP = DAY
# An authorization can be captured for 31 days (facts section 2): the first run of a connection looks back so far.
FIRST_LOOK = 31 * DAY
# Roony starts with nothing heard for this long: what happened meanwhile is fetched before anything is approved.
GAP = HOUR
# Stripe keeps events for 30 days (facts section 5); the last hour of them is left out, since it ends while we list.
EVENTS_KEPT = 30 * DAY - HOUR
# An open object Stripe has not told us of for this long is retrieved by its id.
UNSEEN = DAY
# What is younger than this may be here before a list at Stripe shows it.
LIST_MARGIN = 10 * 60 * SECOND

# Stripe allows 500 reads for each transaction over 30 days, and 10,000 at least (facts section 7.3). Runs that nobody
# asked for stay well under both: agents, people and card making read as well.
ALLOWANCE_PERIOD = 30 * DAY
BACKGROUND_READS = 7_500
READS_EACH_TRANSACTION = 100

# Ids a run names in its detail; all of them are counted.
MAX_NAMED = 100

KINDS = ("events", "lists", "full")
# Kinds after whose end the events up to then are known to be here, and those after which the lists are.
HEARD_EVENTS = KINDS
SEEN_LISTS = ("lists", "full")
# What a run does, in this order. Cards first: a capture on an orphan card is ours once the card is.
_LISTING = ("events", "cards", "authorizations", "transactions", "open", "unlisted", "open_cards", "settle")
PHASES: dict[str, tuple[str, ...]] = {"events": ("events",), "lists": _LISTING, "full": _LISTING}


class Reconciliation(NamedTuple):
    """One run over one connection. `events` gets undelivered events, `lists` the lists too, `full` all events instead.

    `since` and `until` in microseconds UTC; `place` and `detail` are JSON: how far it is, and what it found. `reads`
    counts the GETs, `booked` what was not here before, `differences` what Stripe and the books do not agree on.
    """

    organization_id: str
    id: str
    connection_id: str
    kind: str
    cause: str
    status: str
    since: int
    until: int
    place: str
    reads: int
    events: int
    authorizations: int
    transactions: int
    cards: int
    booked: int
    differences: int
    detail: str
    error: str | None
    requested_by: str
    created_at: int
    updated_at: int
    finished_at: int | None


class Place(NamedTuple):
    """How far a run is: in `phase`, behind the object `after`.

    `low` and `edge` say where the pages of transactions so far end: the second of the oldest one, and the ids in it.
    `stripe` sums what Stripe listed, by currency and type; `waits` counts how often it waited for the inbox.
    """

    phase: str
    after: str | None = None
    low: int | None = None
    edge: tuple[str, ...] = ()
    stripe: Mapping[str, int] = {}
    waits: int = 0

    def to_json(self) -> str:
        """As the row keeps it."""
        return json.dumps(self._asdict())

    @staticmethod
    def read(text: str) -> Place:
        """The place a row keeps."""
        kept = json.loads(text)
        return Place(**{**kept, "edge": tuple(kept["edge"])})


class Standing(NamedTuple):
    """What is known of the earlier runs of one connection; times in microseconds, None where there was none.

    `last_…` is when such a run began, `…_until` up to when a finished one reaches. `reads` and `transactions` are those
    of the last 30 days.
    """

    connected_at: int
    last_events: int | None
    last_lists: int | None
    events_until: int | None
    lists_until: int | None
    running: int
    reads: int
    transactions: int


class Due(NamedTuple):
    """The next timed run of a connection: when, and of which kind. `saving` when the reads are used up."""

    at: int
    kind: str
    saving: bool


def background_reads(transactions: int) -> int:
    """How many reads timed runs may use in 30 days on a connection with so many transactions in that time."""
    return max(BACKGROUND_READS, READS_EACH_TRANSACTION * transactions)


def next_due(standing: Standing, now: int) -> Due:
    """When the next timed run is due, counted from the start of the last one, the first from the connection's."""
    events_from = standing.connected_at if standing.last_events is None else standing.last_events
    lists_from = standing.connected_at if standing.last_lists is None else standing.last_lists
    saving = standing.reads >= background_reads(standing.transactions)
    if saving:
        return Due(events_from + SLOW_PACE, "events", True)
    at = events_from + EVENTS_PACE
    # A run of the lists brings the undelivered events along: the two share one start.
    return Due(at, "lists" if lists_from + LISTS_PACE <= max(at, now) else "events", False)


def since_of(kind: str, standing: Standing, now: int) -> int:
    """From when on a run looks: where the last of its kind ended, with its overlap.

    The first one looks back to the beginning of the connection, but not behind what money may still come of.
    """
    until, overlap = (
        (standing.events_until, EVENTS_OVERLAP) if kind == "events" else (standing.lists_until, LISTS_OVERLAP)
    )
    return (max(standing.connected_at, now - FIRST_LOOK) if until is None else until) - overlap


def run_id(connection_id: str, kind: str, after: int | None) -> str:
    """The id of the run that follows the one begun at `after`: of many processes that think of it, one inserts it."""
    return derived_id("rec", connection_id, kind, after)


def broken_off(run: Reconciliation, why: str, now: int) -> Reconciliation:
    """A run that goes no further: what it had read is worth nothing any more. One that ended stays as it ended."""
    if run.status != "running":
        return run
    return run._replace(status="failed", error=why, updated_at=now, finished_at=now)


def next_phase(kind: str, phase: str) -> str | None:
    """What a run does after `phase`; None when that was the last."""
    phases = PHASES[kind]
    place = phases.index(phase) + 1
    return phases[place] if place < len(phases) else None


def named(detail: dict[str, Any], what: str, ids: Iterable[str]) -> int:
    """Adds ids to a list in the detail of a run, at most `MAX_NAMED` of them; returns how many were new to it."""
    known: list[str] = detail.setdefault(what, [])
    new = [id for id in dict.fromkeys(ids) if id not in known]
    known.extend(new[: MAX_NAMED - len(known)])
    return len(new)


def totals(stripe: Mapping[str, int], ours: Mapping[str, int]) -> list[dict[str, Any]]:
    """Stripe's sums beside ours, one line for each `currency type` that either has. Amounts in minor units."""
    lines = []
    for name in sorted(stripe.keys() | ours.keys()):
        currency, kind = name.split()
        at_stripe, here = stripe.get(name, 0), ours.get(name, 0)
        lines.append({"currency": currency, "type": kind, "stripe": at_stripe, "here": here})
    return lines
