"""A dry run over the past: recorded purchases decided again under the rules of a document. Reads only, and no lock.

1. The document is read; what it names must be the organization's own.
2. Purchases from shortly before `since` are remembered, as far as later ones may repeat or follow from them.
3. Those since then are decided again, oldest first, in pages with a connection only while a page is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement

from roony.core.control import MAX_APPROVAL_SECONDS
from roony.core.decision import DEFAULT_DUPLICATE_WINDOW_SECONDS
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.replay.changed import ChangedRules, NewRules, new_rules
from roony.core.replay.course import Course
from roony.core.replay.past import PastPurchase
from roony.core.replay.report import Report
from roony.core.rulebook import Document, WrongRules, targets
from roony.flows.rulebook import TOO_MANY_SCOPES
from roony.store.database import Database
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import Slice
from roony.store.queries.past import asked_before, asked_since, budgets_now, count_past, past_page, use_before
from roony.store.queries.rulebook import read_rulebook

PAGE = 500
# Purchases one replay decides again or remembers, and how long it may take, in seconds.
MAX_PURCHASES = 100_000
MAX_SECONDS = 600.0


class Replay(NamedTuple):
    """What is to be replayed; times in microseconds UTC. `purchases` is how many are going to be read.

    `agents` are names by id, `new` what the document lists and is not there yet, so that it bought nothing.
    """

    database: Database
    rules: ChangedRules
    until: int
    window: int
    purchases: int
    agents: dict[str, str]
    new: list[str]


class TooLong(Exception):
    """A replay took longer than MAX_SECONDS."""


def prepare_replay(
    database: Database, organization_id: str, document: Document, since: int, until: int, new_id: Callable[[str], str]
) -> Replay | Refusal:
    """Checks the document and that there is not too much to read. Blocks: cold reads."""
    book = read_rulebook(database, organization_id)
    if book is None:
        return TOO_MANY_SCOPES
    try:
        listed = targets(book, document, lambda prefix, _name: new_id(prefix))
    except WrongRules as wrong:
        code = "not_found" if wrong.status == 404 else "invalid"
        return Refusal(code, wrong.message, wrong.status, f"rules.{wrong.path}")
    scopes = new_rules(listed)
    organization = find_organization(database, organization_id)
    budgets = budgets_now(database, organization_id)
    rules = ChangedRules(organization_id, organization.time_zone, since, scopes, budgets)
    window = _window(scopes)
    count = 0
    for where in (_before(since, window), asked_since(since, until)):
        count += count_past(database, organization_id, where, MAX_PURCHASES)
    if count > MAX_PURCHASES:
        message = f"There are more than {MAX_PURCHASES} purchases since then, the most one replay takes: begin later."
        return Refusal("invalid", message, 422, "since")
    agents = {id: agent.name for id, agent in book.agents.items()}
    return Replay(database, rules, until, window, count, agents, [target.path for target in listed if target.is_new])


def run_replay(replay: Replay, report: Report, page: int = PAGE) -> Iterator[int]:
    """Decides everything again into `report`; gives how many purchases are read after each page. Blocks.

    Raises TooLong.
    """
    until, read, rules = time.monotonic() + MAX_SECONDS, 0, replay.rules
    course = Course(rules, rules.since - replay.window, report.add)
    for past in _pages(replay, _before(rules.since, replay.window), page):
        for one in past:
            course.remember(one)
        read += len(past)
        _check_time(until)
        yield read
    counted: set[tuple[str, int]] = set()
    for past in _pages(replay, asked_since(rules.since, replay.until), page):
        missing = {period for one in past for period in rules.unrecorded(one)} - counted
        for period in sorted(missing):
            for use in use_before(replay.database, rules.organization_id, [period], rules.since):
                course.count(*use)
            # One of them may look through every hold of the period.
            _check_time(until)
        counted |= missing
        for one in past:
            course.take(one)
        read += len(past)
        _check_time(until)
        yield read
    course.go_on(replay.until)


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise TooLong


def too_long() -> Refusal:
    """The refusal of a replay that raised TooLong."""
    message = f"It took longer than {MAX_SECONDS:.0f} seconds, the most one replay may take: begin later."
    return Refusal("invalid", message, 422, "since")


def _before(since: int, window: int) -> ColumnElement[bool]:
    return asked_before(since, window, MAX_APPROVAL_SECONDS * SECOND)


def _window(scopes: dict[str, NewRules]) -> int:
    """The longest time in which a purchase may be repeated under these rules, in microseconds."""
    said = [rules.controls.duplicate_window_seconds or 0 for rules in scopes.values() if rules.controls is not None]
    return max([DEFAULT_DUPLICATE_WINDOW_SECONDS, *said]) * SECOND


def _pages(replay: Replay, where: ColumnElement[bool], size: int) -> Iterator[list[PastPurchase]]:
    """Page after page; each moves the cursor on, and no purchase comes to these any more, so it ends."""
    cursor = None
    while True:
        page = past_page(replay.database, replay.rules.organization_id, Slice(size, cursor), where)
        yield page.rows
        cursor = page.next_cursor
        if cursor is None:
            return
