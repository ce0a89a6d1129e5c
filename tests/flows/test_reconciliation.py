"""What webhooks did not bring: fetched, booked once, compared; a gap, orphans, the pace and the allowance of reads."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.core.reconciliation import BACKGROUND_READS, EVENTS_OVERLAP, EVENTS_PACE, GAP, SECOND, Place
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.flows.card import FailCard
from roony.flows.discrepancy import discrepancy_id
from roony.flows.reconciliation import ReconciliationDuty, begin_catch_up
from roony.flows.resolution import ResolveDiscrepancy
from roony.store.tables import InboxEvent, OutboxPromise
from roony.worker import Worker
from tests.gateway.loopback import Answer, LoopbackStripe
from tests.support.books import ORG, Books, open_books
from tests.support.connecting import stripe_gateway
from tests.support.reconciling import SHOP, Lossy, detail, lossy
from tests.support.served import request_event
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, approve_all, new_card


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of this module's own."""
    with SimulatorProcess() as process:
        yield process


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """An endpoint that is not Roony's."""
    with Receiver() as listening:
        yield listening


@pytest.fixture
def books(tmp_path: Path, database_url: str | None) -> Iterator[Books]:
    with open_books(tmp_path, database_url) as opened:
        yield opened


@pytest.fixture
def roony(books: Books, simulator: SimulatorProcess, receiver: Receiver) -> Iterator[Lossy]:
    """Roony, of whose events nothing arrives."""
    with lossy(books, simulator, receiver) as made:
        yield made


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
    due_by_two = [ReconciliationDuty(roony.context), ReconciliationDuty(roony.context)]
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

    def test_pages_of_a_crowd(self, roony: Lossy) -> None:
        """More objects than a page holds, many of them in one second: each is counted once."""
        purchase = roony.buy(200_000)
        authorization = roony.authorize(purchase)
        for _ in range(130):
            roony.capture(authorization, capture_amount=100, close_authorization=False)
        run = roony.reconcile()
        assert (run.status, run.differences, run.transactions) == ("finished", 0, 130)
        assert detail(run)["totals"][0]["here"] == 13_000
        assert roony.purchase(purchase).captured == 13_000


class TestDifferences:
    """What one side has and the other has not."""

    def test_missing_at_stripe(self, roony: Lossy) -> None:
        """A capture and an authorization that Stripe has never heard of, as after a copy of another database."""
        purchase = roony.buy()
        authorization = roony.authorize(purchase)
        capture = roony.capture(authorization).transactions[0]
        roony.reconcile()
        roony.advance(3_600)
        strange = roony.books.row(StripeTransaction, id=capture.id)._replace(id="ipi_strange")
        known = roony.books.row(Authorization, id=authorization.id)._replace(id="iauth_strange", seen_at=0)
        roony.books.put(strange, known)

        run = roony.reconcile()

        assert run.differences == 2
        assert sorted(detail(run)["missing_at_stripe"]) == ["iauth_strange", "ipi_strange"]
        found = roony.findings("missing_at_stripe")
        assert found == [
            ("missing_at_stripe", "iauth_strange", "open"), ("missing_at_stripe", "ipi_strange", "open"),
        ]  # fmt: skip
        assert {row.purchase_id for row in roony.books.rows(Discrepancy, kind="missing_at_stripe")} == {purchase.id}
        # Found again, written once; and none any more once a person has said what it was.
        assert roony.reconcile().differences == 2
        for id in [row.id for row in roony.books.rows(Discrepancy, kind="missing_at_stripe")]:
            roony.books.run(ResolveDiscrepancy(ORG, id, "person", "of the old database"))
        assert roony.reconcile().differences == 0

    def test_missing_here_is_closed_when_it_is_found(self, roony: Lossy) -> None:
        """A capture that is here with another amount than at Stripe is not here as Stripe tells it."""
        purchase = roony.buy()
        capture = roony.capture(roony.authorize(purchase)).transactions[0]
        roony.reconcile()
        right = roony.books.row(StripeTransaction, id=capture.id)
        roony.books.put(right._replace(amount=1))

        run = roony.reconcile()
        assert (run.differences, detail(run)["missing_here"]) == (1, [capture.id])
        assert roony.findings("missing_here") == [("missing_here", capture.id, "open")]

        roony.books.put(right)
        assert roony.reconcile().differences == 0
        [finding] = roony.books.rows(Discrepancy, kind="missing_here")
        assert (finding.status, finding.resolved_by) == ("resolved", "roony")
        assert finding.note
        audited = [(row.action, row.subject) for row in roony.books.rows(AuditRecord, subject=finding.id)]
        assert audited == [("discrepancy.opened", finding.id), ("discrepancy.explained", finding.id)]

    def test_a_finding_about_what_stripe_has_is_closed(self, roony: Lossy) -> None:
        purchase = roony.buy()
        capture = roony.capture(roony.authorize(purchase)).transactions[0]
        roony.reconcile()
        id = discrepancy_id("missing_at_stripe", capture.id)
        open_finding = Discrepancy(
            ORG, id, "missing_at_stripe", "open", purchase.id, None, capture.id, "a capture", "nothing", None, None,
            roony.books.clock(), None,
        )  # fmt: skip
        roony.books.put(open_finding)
        assert roony.reconcile().differences == 0
        assert roony.findings("missing_at_stripe") == [("missing_at_stripe", capture.id, "resolved")]


class TestOrphans:
    """Cards at Stripe that carry our ids and are not recorded."""

    def orphan(self, roony: Lossy, purchase: Purchase, **metadata: str) -> str:
        """One more card with this purchase's metadata."""
        names = {
            "roony_organization": ORG, "roony_purchase": purchase.id, "roony_card": purchase.card_id or "", **metadata,
        }  # fmt: skip
        holder = roony.connection.stripe_cardholder_id
        return str(new_card(roony.stripe, holder, metadata=names).id)

    def status(self, roony: Lossy, card: str) -> str:
        """Of a card at Stripe."""
        return roony.stripe.v1.issuing.cards.retrieve(card).status

    def test_a_card_of_a_purchase_that_was_given_up_is_adopted_and_canceled(self, roony: Lossy) -> None:
        asked = roony.books.ask(5_000)
        promise = asked.promise
        roony.books.run(FailCard(ORG, asked.purchase.card_id, "no", "No.", True, promise, "out_c"))
        orphan = self.orphan(roony, asked.purchase)

        run = roony.reconcile()
        roony.work()

        card = roony.books.row(Card, id=asked.purchase.card_id)
        assert (card.stripe_card_id, card.stripe_status) == (orphan, "canceled")
        assert self.status(roony, orphan) == "canceled"
        assert (run.differences, roony.purchase(asked.purchase).held) == (0, 0)

    def test_a_card_that_is_wanted_is_left_to_its_promise(self, roony: Lossy) -> None:
        """The 500 had its effect: the promise finds the card by its metadata and the purchase gets it."""
        roony.at()
        fault = {"endpoint": "POST /v1/issuing/cards", "kind": "error_after", "count": 1}
        roony.simulator.control("faults", [fault])
        asked = roony.books.ask(5_000)
        roony.books.clock.advance(31)
        roony.work()
        assert roony.purchase(asked.purchase).status == "issuing"
        run = roony.reconcile()
        assert (run.differences, roony.purchase(asked.purchase).status) == (0, "issuing")
        for _ in range(6):
            # The same key only replays the 500; after the third try the promise looks for the card.
            roony.books.clock.advance(60)
            roony.work()
        assert roony.purchase(asked.purchase).status == "ready"
        assert len(roony.stripe.v1.issuing.cards.list({"limit": 10}).data) == 1

    def test_a_second_card_for_a_purchase_is_canceled(self, roony: Lossy) -> None:
        purchase = roony.buy()
        twin = self.orphan(roony, purchase)
        roony.reconcile()
        roony.work()
        assert self.status(roony, twin) == "canceled"
        assert self.status(roony, roony.card(purchase)) == "active"
        assert roony.findings("card_left_open") == [("card_left_open", twin, "open")]
        roony.reconcile()
        assert len(roony.books.rows(OutboxPromise, kind="cancel_card")) == 1

    def test_a_card_the_database_forgot_is_canceled_and_flagged(self, roony: Lossy) -> None:
        purchase = roony.buy()
        lost = self.orphan(roony, purchase, roony_card="crd_lost", roony_purchase="pur_lost")
        authorization = roony.stripe.v1.test_helpers.issuing.authorizations.create(
            {"card": lost, "amount": 700, "merchant_data": SHOP}  # type: ignore[typeddict-item]
        )
        roony.capture(authorization)

        run = roony.reconcile()
        roony.work()

        assert self.status(roony, lost) == "canceled"
        assert roony.findings("missing_here", "unknown_card")[0] == ("missing_here", lost, "open")
        assert (run.differences, detail(run)["missing_here"]) == (1, [lost])
        assert roony.purchase(purchase).captured == 0

    def test_a_card_that_names_nobody_here_is_left_alone(self, roony: Lossy) -> None:
        other = self.orphan(roony, roony.buy(), roony_organization="org_else")
        run = roony.reconcile()
        roony.work()
        assert self.status(roony, other) == "active"
        assert (run.differences, roony.findings("missing_here")) == (0, [])


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

    def test_catching_up_is_tried_until_it_works(self, roony: Lossy) -> None:
        roony.buy()
        roony.reconcile()
        roony.advance(GAP // SECOND + 60)
        asyncio.run(begin_catch_up(roony.context))
        roony.simulator.control("faults", [{"endpoint": "GET /v1/events", "kind": "error_before", "count": 12}])
        roony.finish()
        assert roony.runs(cause="gap")[0].status == "finished"
        assert roony.connection.catching_up_since is None


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
