"""What webhooks did not bring: fetched, booked once, compared; a gap, the pace, trouble, the allowance of reads."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from roony.core.audit import ROONY
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.duration import SECOND
from roony.core.reconciliation import BACKGROUND_READS, EVENTS_OVERLAP, EVENTS_PACE, GAP, Place, Reconciliation
from roony.core.settlement import StripeTransaction
from roony.flows.duty_lease import DutyLease
from roony.flows.inbox import ACQUIRING_TYPES, HANDLED_TYPES
from roony.flows.listening import EVERYBODY, LISTENING, PAUSE_SECONDS
from roony.flows.reconciliation import ReconciliationDuty, begin_catch_up, keep_reconcile, start_by_hand
from roony.flows.reconciliation.listing import TYPES
from roony.flows.reconciliation.start import KEPT, MAX_RUNNING, StartReconciliation
from roony.flows.reconciliation.unseen import MAX_WAITS
from roony.gateway import paging
from roony.gateway.events import TYPES_LIMIT
from roony.store import lease, outbox
from roony.store.rows import InboxEvent, OutboxPromise
from roony.worker import Worker
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import ORG, Books
from tests.support.connecting import stripe_gateway
from tests.support.reconciling import Lossy, detail, lossy
from tests.support.served import request_event
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, approve_all


def test_what_was_lost_is_booked_and_nothing_differs(roony: Lossy) -> None:
    first, second = roony.buy(), roony.buy(7_000)
    roony.capture(roony.authorize(first))
    refunded = roony.capture(roony.authorize(second))
    helper = roony.stripe.v1.test_helpers.issuing.transactions
    helper.refund(refunded.transactions[0].id, {"refund_amount": 2_000})
    assert roony.books.rows(StripeTransaction) == []

    run = roony.reconcile()

    assert (run.status, run.differences, run.error) == ("finished", 0, None)
    assert detail(run)["totals"] == [
        {"currency": "usd", "type": "capture", "stripe": 12_000, "here": 12_000},
        {"currency": "usd", "type": "refund", "stripe": 2_000, "here": 2_000},
    ]
    assert (roony.purchase(first).status, roony.purchase(first).captured) == ("settled", 5_000)
    assert (roony.purchase(second).captured, roony.purchase(second).refunded) == (7_000, 2_000)
    assert roony.findings("missing_here", "missing_at_stripe", "unknown_card") == []
    again = roony.reconcile()
    assert (again.status, again.booked, again.differences) == ("finished", 0, 0)


def test_a_second_worker_finds_nothing_to_do(roony: Lossy) -> None:
    """Timed runs are due by the clock; whoever thinks of one first inserts it, and one process works on it."""
    roony.buy()
    due_by_two = [
        ReconciliationDuty(roony.context, DutyLease(roony.context)),
        ReconciliationDuty(roony.context, DutyLease(roony.context)),
    ]
    assert [begun(duty, roony) for duty in due_by_two] == [[], []]
    roony.advance(EVENTS_PACE // SECOND + 1)

    commands = [asyncio.run(duty.due(roony.books.clock())) for duty in due_by_two]
    assert [len(found) for found in commands] == [1, 1]
    runs = {roony.books.run(command).id for found in commands for command in found}

    assert len(runs) == 1
    assert len(roony.books.rows(OutboxPromise, kind="reconcile")) == 1
    two = [Worker(roony.context), Worker(roony.context)]

    async def both() -> list[int]:
        return list(await asyncio.gather(*(worker.round() for worker in two)))

    asyncio.run(both())
    [run] = roony.runs()
    assert (run.kind, run.cause, run.status, run.reads) == ("events", "timed", "finished", 1)


def test_the_pace(roony: Lossy) -> None:
    """Undelivered events every quarter of an hour, the lists once an hour; each run begins where the last one ended."""
    roony.buy()
    kinds = []
    for _ in range(9):
        roony.advance(EVENTS_PACE // SECOND)
        roony.books.clock.advance(1)
        roony.work()
        kinds.append(roony.runs()[-1].kind)
    assert kinds == ["events", "events", "events", "lists", "events", "events", "events", "lists", "events"]
    runs = roony.runs()
    assert len(runs) == 9
    assert all(run.status == "finished" for run in runs)
    assert [run.reads for run in runs if run.kind == "events"] == [1] * 7
    # Undelivered events, cards, authorizations, transactions; nothing is open for a day.
    assert [run.reads for run in runs if run.kind == "lists"] == [4, 4]
    assert [run.since for run in runs[4:7]] == [run.until - EVENTS_OVERLAP for run in runs[3:6]]


def test_what_is_undelivered_comes_by_itself(roony: Lossy, receiver: Receiver) -> None:
    """Events that no endpoint accepted are listed as undelivered: the timed run brings them."""
    receiver.answer = lambda event: (500, {}, b"") if event["type"] != REQUEST else approve_all(event)
    purchase = roony.buy()
    roony.capture(roony.authorize(purchase))
    roony.advance(EVENTS_PACE // SECOND + 1)
    roony.work()
    [run] = roony.runs()
    assert (run.kind, run.status) == ("events", "finished")
    assert run.booked == run.events > 3
    assert roony.purchase(purchase).status == "settled"
    kept = [event for event in roony.books.rows(InboxEvent) if event.type != REQUEST]
    assert {(event.account, event.status) for event in kept} == {(roony.account, "applied")}
    assert all(json.loads(event.payload)["account"] == roony.account for event in kept)


def test_one_listing_names_all_types_the_books_are_made_of() -> None:
    """Stripe takes so many types at once and no more."""
    assert len(TYPES) <= TYPES_LIMIT
    assert set(TYPES) == (HANDLED_TYPES - ACQUIRING_TYPES) | {REQUEST}


def test_a_late_request_is_never_decided(roony: Lossy) -> None:
    """One that nobody answered in time is listed like any event: kept as what it is, and not answered any more."""
    purchase = roony.buy()
    roony.at()
    item = request_event(roony.account, roony.card(purchase), 5_000, "FIGMA", roony.books.clock() // SECOND)
    listed = {name: value for name, value in item.items() if name != "account"}
    with LoopbackStripe() as wire:
        wire.script(Answer({"object": "list", "has_more": False, "data": [listed]}))
        gateway = stripe_gateway(wire.url, roony.simulator.secret_key)
        try:
            roony.worker = Worker(dataclasses.replace(roony.context, gateway=gateway))
            roony.books.clock.advance(EVENTS_PACE // SECOND)
            roony.work()
        finally:
            gateway.close()
    assert roony.runs()[0].events == 1
    [event] = [row for row in roony.books.rows(InboxEvent) if row.type == REQUEST]
    assert (event.status, event.reason, event.account) == ("ignored", "late request", roony.account)
    assert roony.books.rows(AuthorizationDecision) == []


def test_an_own_account_has_events_without_an_account(
    books: Books, simulator: SimulatorProcess, receiver: Receiver
) -> None:
    with lossy(books, simulator, receiver, "direct") as roony:
        purchase = roony.buy()
        roony.capture(roony.authorize(purchase))
        run = roony.reconcile()
        assert (run.status, run.differences) == ("finished", 0)
        events = [event for event in roony.books.rows(InboxEvent) if event.type != REQUEST]
        assert {(event.account, event.organization_id) for event in events} == {(None, ORG)}
        assert all("account" not in json.loads(event.payload) for event in events)
        assert roony.purchase(purchase).status == "settled"


def test_open_objects_are_asked_for_by_their_ids(roony: Lossy) -> None:
    """A month later an authorization of then is retrieved, not listed; its reversal ends the hold."""
    purchase = roony.buy()
    authorization = roony.authorize(purchase)
    roony.reconcile()
    roony.advance(3 * 86_400)
    helper = roony.stripe.v1.test_helpers.issuing.authorizations
    helper.reverse(authorization.id)
    # Its event is older than the run looks back: only the object itself tells.
    roony.advance(120)
    assert roony.purchase(purchase).held == 5_000

    run = roony.reconcile(60)

    assert (run.authorizations, run.reads) == (0, 5)
    assert roony.purchase(purchase).held == 0
    assert roony.books.row(Authorization, id=authorization.id).status == "reversed"
    # Seen just now, and over: nothing is asked for again.
    assert roony.reconcile(60).reads == 4


class TestTrouble:
    """Stripe slow, refusing or gone in the middle of a run."""

    def test_a_run_goes_on_where_it_was(self, roony: Lossy) -> None:
        purchase = roony.buy()
        roony.capture(roony.authorize(purchase))
        fault = {"endpoint": "GET /v1/issuing/transactions", "count": 2}
        roony.simulator.control("faults", [{**fault, "kind": "rate_limit", "reason": "endpoint-rate"}])
        run = roony.reconcile(work=False)
        roony.work()
        waiting = roony.run(run.id)
        [promise] = roony.books.rows(OutboxPromise, kind="reconcile")
        assert (waiting.status, Place.read(waiting.place).phase, promise.tries) == ("running", "transactions", 1)
        assert "StripeRateLimited" in (waiting.error or "")
        assert promise.due_at > roony.books.clock()
        roony.finish()
        ended = roony.run(run.id)
        # Events, cards, authorizations, and transactions three times: each try counts.
        assert (ended.status, ended.reads, ended.error, ended.differences) == ("finished", 6, None, 0)
        assert roony.purchase(purchase).status == "settled"

    def test_a_run_that_never_gets_through_fails_and_says_so(self, roony: Lossy) -> None:
        roony.buy()
        roony.simulator.control("faults", [{"endpoint": "GET /v1/issuing/cards", "kind": "error_before"}])
        run = roony.reconcile()
        assert (run.status, run.finished_at is None) == ("failed", False)
        assert "StripeUncertain" in (run.error or "")
        roony.simulator.control("faults", [])
        assert roony.reconcile().status == "finished"

    def test_a_connection_that_ended_ends_its_runs(self, roony: Lossy) -> None:
        roony.buy()
        run = roony.reconcile(work=False)
        roony.books.put(roony.connection._replace(status="revoked"))
        roony.finish()
        assert (roony.run(run.id).status, roony.run(run.id).reads) == ("failed", 0)

    def test_pages_of_a_crowd(self, roony: Lossy, monkeypatch: pytest.MonkeyPatch) -> None:
        """More objects than a page holds, many of them in one second: each is counted once."""
        monkeypatch.setattr(paging, "PAGE_SIZE", 10)
        purchase = roony.buy(200_000)
        authorization = roony.authorize(purchase)
        for _ in range(24):
            roony.capture(authorization, capture_amount=100, close_authorization=False)
        run = roony.reconcile()
        assert (run.status, run.differences, run.transactions) == ("finished", 0, 24)
        assert detail(run)["totals"][0]["here"] == 2_400
        assert roony.purchase(purchase).captured == 2_400

    def test_who_lost_the_lease_changes_nothing_more(self, roony: Lossy) -> None:
        """Two hold the same promise, one of them by a lease that is over: only the other's work counts."""
        roony.buy()
        run = roony.reconcile(work=False)
        now = roony.books.clock()
        [first] = roony.books.till.write_and_wait(outbox.claim(now))
        [second] = roony.books.till.write_and_wait(outbox.claim(now + outbox.LEASE + 1))
        asyncio.run(keep_reconcile(roony.context, first))
        assert roony.run(run.id) == run
        asyncio.run(keep_reconcile(roony.context, second))
        assert Place.read(roony.run(run.id).place).phase == "settle" or roony.run(run.id).status == "finished"

    def test_people_cannot_pile_up_runs(self, roony: Lossy) -> None:
        for _ in range(MAX_RUNNING):
            roony.reconcile(work=False)

        async def one_more() -> Any:
            return await start_by_hand(roony.context, ORG, None, None, "person")

        refusal = asyncio.run(one_more())
        assert (refusal.code, refusal.status) == ("already_running", 409)
        roony.finish()
        assert {run.status for run in roony.runs()} == {"finished"}
        assert roony.reconcile().status == "finished"

    def test_old_runs_that_found_nothing_are_forgotten(self, roony: Lossy) -> None:
        run = roony.reconcile()
        old = run._replace(cause="timed", created_at=run.created_at - KEPT - SECOND)
        roony.books.put(old._replace(id="rec_dull"), old._replace(id="rec_telling", differences=1))
        begun(ReconciliationDuty(roony.context, DutyLease(roony.context)), roony)
        assert [row.id for row in roony.runs()] == ["rec_telling", run.id]


class TestGap:
    """Roony was away: what happened meanwhile comes first."""

    def test_nothing_is_approved_before_it_has_caught_up(self, roony: Lossy) -> None:
        purchase, other = roony.buy(), roony.buy(6_000)
        authorization = roony.authorize(purchase)
        roony.reconcile()
        roony.advance(GAP // SECOND + 60)
        roony.capture(authorization)

        asyncio.run(begin_catch_up(roony.context))

        assert roony.connection.catching_up_since is not None
        # The rows decide, not this process: a second start changes nothing.
        asyncio.run(begin_catch_up(roony.context))
        assert len(roony.runs(cause="gap")) == 1
        answer = roony.books.authorize(roony.card(other), 6_000, authorization_id="iauth_now")
        assert (answer.approved, answer.code) == (False, "CONNECTION_INACTIVE")
        asked = roony.books.ask(900, allow_duplicate=True)
        assert asked.purchase.status == "declined"
        assert json.loads(asked.purchase.decision)["reasons"][0]["code"] == "CONNECTION_INACTIVE"

        roony.finish()

        [run] = roony.runs(cause="gap")
        assert (run.kind, run.status, run.differences) == ("full", "finished", 0)
        assert roony.connection.catching_up_since is None
        assert roony.purchase(purchase).status == "settled"
        assert roony.authorize(roony.buy(7_000)).approved

    def test_a_new_connection_and_a_short_absence_are_no_gap(self, roony: Lossy) -> None:
        roony.buy()
        roony.advance(30 * 86_400)
        asyncio.run(begin_catch_up(roony.context))
        roony.reconcile()
        roony.advance(GAP // SECOND - 60)
        asyncio.run(begin_catch_up(roony.context))
        assert roony.runs(cause="gap") == []
        assert roony.connection.catching_up_since is None

    def test_a_start_beside_one_that_listens_is_no_gap(self, roony: Lossy) -> None:
        """However long ago a run was finished: Stripe fails, and a process is replaced by another meanwhile."""
        roony.buy()
        roony.reconcile()
        for _ in range(GAP // SECOND // PAUSE_SECONDS + 3):
            listens(roony)
            roony.advance(PAUSE_SECONDS - 1)
        asyncio.run(begin_catch_up(roony.context))
        assert roony.runs(cause="gap") == []
        # A copy of that time, or all were away for longer than a restart takes: since then nobody knows.
        roony.advance(2)
        listens(roony)
        asyncio.run(begin_catch_up(roony.context))
        assert len(roony.runs(cause="gap")) == 1
        assert roony.connection.catching_up_since is not None

    def test_who_began_to_listen_after_a_gap_proves_nothing(self, roony: Lossy) -> None:
        roony.buy()
        roony.reconcile()
        roony.advance(GAP // SECOND + 60)
        listens(roony)
        asyncio.run(begin_catch_up(roony.context))
        assert len(roony.runs(cause="gap")) == 1

    def test_catching_up_is_tried_until_it_works(self, roony: Lossy) -> None:
        roony.buy()
        roony.reconcile()
        roony.advance(GAP // SECOND + 60)
        asyncio.run(begin_catch_up(roony.context))
        roony.simulator.control("faults", [{"endpoint": "GET /v1/events", "kind": "error_before", "count": 12}])
        roony.finish()
        assert roony.runs(cause="gap")[0].status == "finished"
        assert roony.connection.catching_up_since is None

    def go_on(self, roony: Lossy, run: Reconciliation) -> None:
        """One claim of this run alone; no event is handled meanwhile."""
        for promise in roony.books.till.write_and_wait(outbox.claim(roony.books.clock())):
            if promise.subject == run.id:
                asyncio.run(keep_reconcile(roony.context, promise))

    @pytest.mark.parametrize("cause", ["person", "gap"])
    def test_a_run_that_began_before_the_gap_does_not_end_it(self, roony: Lossy, cause: str) -> None:
        """It had read its lists when Roony stopped: what came after is not in the books when it ends."""
        purchase = roony.buy()
        authorization = roony.authorize(purchase)
        roony.reconcile()
        roony.buy(6_000)
        if cause == "gap":
            roony.advance(GAP // SECOND + 60)
            asyncio.run(begin_catch_up(roony.context))
            [old] = roony.runs(cause="gap")
        else:
            old = roony.reconcile(since=7_200, work=False)
        self.go_on(roony, old)
        old = roony.run(old.id)
        assert (old.status, Place.read(old.place).phase) == ("running", "settle")
        roony.books.put(old._replace(place=Place("settle", waits=MAX_WAITS).to_json()))
        roony.advance(GAP // SECOND + 60)
        roony.capture(authorization)

        asyncio.run(begin_catch_up(roony.context))
        roony.advance(600)
        self.go_on(roony, old)

        assert roony.purchase(purchase).status == "authorized"
        assert roony.connection.catching_up_since is not None
        assert roony.run(old.id).status == "failed"

        begun(ReconciliationDuty(roony.context, DutyLease(roony.context)), roony)
        roony.advance(60)
        roony.finish()
        assert roony.connection.catching_up_since is None
        assert roony.purchase(purchase).status == "settled"

    def test_a_run_that_ended_before_it_could_be_broken_off_stays_as_it_ended(self, roony: Lossy) -> None:
        old = roony.reconcile()
        now, connection = roony.books.clock(), roony.connection
        command = StartReconciliation(ORG, "rec_gap", connection.id, "full", "gap", now, ROONY, over=(old.id,))
        assert roony.books.till.submit_and_wait(command) == roony.run("rec_gap")
        assert roony.run(old.id) == old


def listens(roony: Lossy) -> None:
    """Another process says that it does."""
    roony.books.till.write_and_wait(lease.take(LISTENING, EVERYBODY, PAUSE_SECONDS, roony.books.clock))


class TestAllowance:
    """Stripe meters what is read (facts section 7.3)."""

    def spend(self, roony: Lossy, reads: int) -> None:
        """A run of a week ago that has read so much."""
        run = roony.reconcile()
        roony.books.put(run._replace(id="rec_old", reads=reads, cause="timed"))

    def test_timed_runs_save_reads_when_they_are_used_up(self, roony: Lossy) -> None:
        roony.buy()
        self.spend(roony, BACKGROUND_READS)
        begun_at = len(roony.runs())
        for _ in range(9):
            roony.advance(EVENTS_PACE // SECOND)
            roony.books.clock.advance(1)
            roony.work()
        timed = roony.runs()[begun_at:]
        assert [run.kind for run in timed] == ["events"] * 4
        assert all(detail(run)["saving_reads"] >= BACKGROUND_READS for run in timed)
        # A person may go on, and is told what was used.
        run = roony.reconcile()
        assert run.status == "finished"
        assert detail(run)["reads_in_30_days"] > BACKGROUND_READS

    def test_reads_of_more_than_a_month_ago_do_not_count(self, roony: Lossy) -> None:
        roony.buy()
        self.spend(roony, BACKGROUND_READS)
        roony.advance(31 * 86_400)
        roony.work()
        assert roony.runs()[-1].kind == "lists"


def begun(duty: ReconciliationDuty, roony: Lossy) -> list[str]:
    """The ids of the runs that are due now."""
    return [command.id for command in asyncio.run(duty.due(roony.books.clock()))]
