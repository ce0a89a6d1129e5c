"""A restored database approves nothing until all that happened since its copy has been fetched."""

from __future__ import annotations

import asyncio

import pytest

from roony.core.audit import AuditRecord
from roony.core.duration import SECOND
from roony.core.reconciliation import EVENTS_OVERLAP
from roony.flows.duty_lease import DutyLease
from roony.flows.reconciliation import ReconciliationDuty
from roony.flows.reconciliation.start import LOOK_PACE
from roony.flows.restoring import mark_restored, notice_copy
from roony.store.place import write_place
from roony.worker import Worker
from tests.support.books import ORG, Books
from tests.support.reconciling import Lossy

TRIES = 5


def marked(roony: Lossy, taken_at: int | None) -> int:
    return mark_restored(roony.books.till, roony.books.database, taken_at)


def catch_up(roony: Lossy) -> None:
    """The rounds of the worker that starts next, until the connection approves again."""
    roony.worker = Worker(roony.context)
    for _ in range(TRIES):
        roony.books.clock.advance(LOOK_PACE // SECOND + 1)
        roony.work()
        roony.finish()
        if roony.connection.approves:
            return
    raise AssertionError("it never caught up")


def test_it_catches_up_from_what_was_heard_last(roony: Lossy) -> None:
    """However short ago that was: a gap of minutes is a gap here. Then it approves again."""
    known = roony.buy()
    heard = roony.reconcile().until
    missed = roony.capture(roony.authorize(known, ask=False))
    assert missed.approved

    assert marked(roony, roony.books.clock()) == 1

    assert roony.connection.catching_up_since == heard - EVENTS_OVERLAP
    assert not roony.connection.approves
    refused = roony.books.ask(700, "Linear").purchase
    assert (refused.status, "CONNECTION_INACTIVE" in refused.decision) == ("declined", True)
    catch_up(roony)
    assert roony.purchase(known).status == "settled"
    [run] = roony.runs(cause="gap")
    assert (run.status, run.since) == ("finished", heard - EVENTS_OVERLAP)


def test_without_any_run_it_begins_with_the_connection(roony: Lossy) -> None:
    roony.at()
    marked(roony, None)
    assert roony.connection.catching_up_since == roony.connection.created_at - EVENTS_OVERLAP


@pytest.mark.parametrize("earlier", [True, False])
def test_a_copy_that_was_catching_up_goes_on_from_the_earlier_moment(roony: Lossy, earlier: bool) -> None:
    roony.reconcile()
    heard = roony.runs()[-1].until - EVENTS_OVERLAP
    before = heard - 5 * SECOND if earlier else heard + 5 * SECOND
    roony.books.put(roony.connection._replace(catching_up_since=before))
    roony.books.reconfigure()
    marked(roony, None)
    assert roony.connection.catching_up_since == min(before, heard)


def test_a_run_of_the_copy_does_not_take_the_mark_away(roony: Lossy) -> None:
    """It was under way when the copy was made, and covers the time up to then."""
    known = roony.buy()
    run = roony.reconcile(work=False)
    roony.capture(roony.authorize(known, ask=False))
    marked(roony, None)
    ended = roony.run(run.id)
    assert (ended.status, ended.error) == ("failed", "The database was restored meanwhile.")
    catch_up(roony)
    assert roony.run(run.id) == ended
    assert [run.status for run in roony.runs(cause="gap")] == ["finished"]
    assert roony.purchase(known).status == "settled"


def test_every_chain_tells_of_it(roony: Lossy) -> None:
    roony.at()
    taken_at = roony.books.clock() - 60 * SECOND
    marked(roony, taken_at)
    found = {row.organization_id: row for row in roony.books.rows(AuditRecord, action="database.restored")}
    assert set(found) == {ORG}
    assert f'"taken_at":{taken_at}' in found[ORG].body
    assert {row.actor for row in found.values()} == {"roony restore"}


def test_the_duty_begins_the_catch_up_by_itself(roony: Lossy) -> None:
    roony.at()
    marked(roony, None)
    duty = ReconciliationDuty(roony.context, DutyLease(roony.context))
    [command] = asyncio.run(duty.due(roony.books.clock()))
    assert (command.kind, command.cause, command.since) == ("full", "gap", roony.connection.catching_up_since)


def test_nothing_is_marked_where_nothing_is_connected(books: Books) -> None:
    """Only the chains go on: the account of these books was never connected."""
    before = books.rows(AuditRecord)
    mark_restored(books.till, books.database, None)
    assert len(books.rows(AuditRecord)) == len(before) + 1


def start(roony: Lossy) -> None:
    """What each process looks at before it answers."""
    asyncio.run(notice_copy(roony.context))


def is_marked(roony: Lossy) -> bool:
    return roony.connection.catching_up_since is not None


class TestACopyThatNobodySaidIsOne:
    """`pg_restore`, `cp`: the next start sees that the database lay elsewhere."""

    def test_one_that_stayed_where_it_was_is_none(self, roony: Lossy) -> None:
        for _ in range(3):
            start(roony)
        assert not is_marked(roony)
        assert roony.books.rows(AuditRecord, action="database.restored") == []

    def test_one_that_lay_elsewhere_is_marked_once(self, roony: Lossy) -> None:
        start(roony)
        heard = roony.reconcile().until
        roony.books.till.write_and_wait(write_place("elsewhere"))
        start(roony)
        assert roony.connection.catching_up_since == heard - EVENTS_OVERLAP
        assert {row.actor for row in roony.books.rows(AuditRecord, action="database.restored")} == {"roony"}
        catch_up(roony)
        start(roony)
        assert not is_marked(roony)

    def test_one_that_was_marked_by_command_is_not_marked_again(self, roony: Lossy) -> None:
        roony.books.till.write_and_wait(write_place("elsewhere"))
        marked(roony, None)
        catch_up(roony)
        start(roony)
        assert not is_marked(roony)
