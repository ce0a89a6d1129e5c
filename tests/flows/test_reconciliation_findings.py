"""What Stripe and the books do not agree on, flagged and closed; cards at Stripe that nobody here recorded."""

from __future__ import annotations

from typing import Any

from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.core.reconciliation import UNSEEN
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.flows.card import FailCard
from roony.flows.connection import RevokeConnection
from roony.flows.discrepancy import discrepancy_id
from roony.flows.reconciliation.unseen import EACH_STEP
from roony.flows.resolution import ResolveDiscrepancy
from roony.store.queries.reconciliations import left_open_cards
from roony.store.rows import OutboxPromise
from tests.support.books import ORG
from tests.support.reconciling import SHOP, Lossy, detail
from tests.support.simulator import new_card


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


class TestLeftOpen:
    """Cards that ended while the account was not ours to act for."""

    def put_connection(self, roony: Lossy, **fields: Any) -> None:
        """The connection with these fields, past every rule."""
        roony.books.put(roony.connection._replace(**fields))
        roony.books.reconfigure()

    def end_connection(self, roony: Lossy) -> None:
        """The business ends the access: no card can be canceled any more."""
        self.put_connection(roony, activated_at=roony.books.clock())
        fault = {"endpoint": "POST /v1/issuing/cards/{card}", "kind": "forbidden"}
        roony.simulator.control("faults", [fault])
        roony.books.run(RevokeConnection(ORG, roony.connection.id, "ended at Stripe", "stripe", "out_end"))
        roony.work()
        roony.simulator.control("faults", [])

    def test_one_is_canceled_once_the_account_is_ours_again(self, roony: Lossy) -> None:
        """The hold was given back, so nothing may pay with it; a person was told and need not see to it any more."""
        purchase, other = roony.buy(), roony.buy(4_000)
        self.end_connection(roony)
        assert [row.held for row in (roony.purchase(purchase), roony.purchase(other))] == [0, 0]
        assert {status for _, _, status in roony.findings("card_left_open")} == {"open"}
        # One of them is canceled in the Dashboard meanwhile, as the person is told to.
        roony.stripe.v1.issuing.cards.update(roony.card(other), {"status": "canceled"})
        self.put_connection(roony, status="active")

        roony.reconcile(since=60)
        roony.work()

        assert [roony.stripe.v1.issuing.cards.retrieve(roony.card(row)).status for row in (purchase, other)] == [
            "canceled", "canceled",
        ]  # fmt: skip
        assert {status for _, _, status in roony.findings("card_left_open")} == {"resolved"}
        assert {row.stripe_status for row in roony.books.rows(Card)} == {"canceled"}
        before = len(roony.books.rows(OutboxPromise, kind="set_card_status"))
        roony.reconcile(since=60)
        assert len(roony.books.rows(OutboxPromise, kind="set_card_status")) == before

    def test_one_that_is_known_to_be_canceled_is_closed_too(self, roony: Lossy) -> None:
        """It was told by an event before this was closed with it, or just before the last try to cancel it failed."""
        purchase = roony.buy()
        self.end_connection(roony)
        roony.stripe.v1.issuing.cards.update(roony.card(purchase), {"status": "canceled"})
        card = roony.books.row(Card, id=purchase.card_id)
        roony.books.put(card._replace(stripe_status="canceled"))
        self.put_connection(roony, status="active")
        roony.reconcile(since=60)
        assert roony.findings("card_left_open") == [("card_left_open", purchase.card_id, "resolved")]

    def test_a_timed_run_asks_for_one_once_a_day(self, roony: Lossy) -> None:
        purchase = roony.buy()
        self.end_connection(roony)
        self.put_connection(roony, status="active")
        now = roony.at() * 1_000_000
        [card] = left_open_cards(roony.books.database, roony.connection, now - UNSEEN, 10)
        assert card.id == purchase.card_id
        roony.books.put(card._replace(seen_at=now - UNSEEN))
        assert left_open_cards(roony.books.database, roony.connection, now - UNSEEN, 10) == []

    def test_those_that_stripe_does_not_know_stand_in_nobodys_way(self, roony: Lossy) -> None:
        """As many as a run asks for, and older: each counts as looked at, and the next run asks for the one left."""
        strangers = [roony.buy(1_000 + count) for count in range(EACH_STEP)]
        purchase = roony.buy()
        self.end_connection(roony)
        for row in strangers:
            card = roony.books.row(Card, id=row.card_id)
            roony.books.put(card._replace(stripe_card_id=f"ic_gone_{card.id}"))
        for row in roony.books.rows(Discrepancy, subject=purchase.card_id):
            roony.books.put(row._replace(created_at=row.created_at + 1))
        self.put_connection(roony, status="active")

        roony.reconcile(since=60)
        assert roony.stripe.v1.issuing.cards.retrieve(roony.card(purchase)).status == "active"
        roony.advance(1)
        roony.reconcile(since=60)
        roony.work()

        assert roony.stripe.v1.issuing.cards.retrieve(roony.card(purchase)).status == "canceled"
        # Whether the others can pay nobody knows: a person still has to look.
        status = {subject: status for _, subject, status in roony.findings("card_left_open")}
        assert {status[row.card_id or ""] for row in strangers} == {"open"}
        assert status[purchase.card_id or ""] == "resolved"


class TestOrphans:
    """Cards at Stripe that carry our ids and are not recorded."""

    def orphan(self, roony: Lossy, purchase: Purchase, **metadata: str) -> str:
        """One more card with this purchase's metadata."""
        names = {
            "roony_organization": ORG, "roony_purchase": purchase.id, "roony_card": purchase.card_id or "", **metadata,
        }  # fmt: skip
        holder = roony.cardholder
        return str(new_card(roony.stripe, holder, metadata=names).id)

    def status(self, roony: Lossy, card: str) -> str:
        """Of a card at Stripe."""
        return roony.stripe.v1.issuing.cards.retrieve(card).status

    def test_a_card_of_a_purchase_that_was_given_up_is_adopted_and_canceled(self, roony: Lossy) -> None:
        asked = roony.books.ask(5_000)
        promise = asked.promise
        roony.books.run(FailCard(ORG, asked.purchase.card_id, "no", "No.", True, promise, "out_c"))
        told = roony.purchase(asked.purchase).failure
        orphan = self.orphan(roony, asked.purchase)

        run = roony.reconcile()
        roony.work()

        card = roony.books.row(Card, id=asked.purchase.card_id)
        assert (card.stripe_card_id, card.stripe_status) == (orphan, "canceled")
        assert self.status(roony, orphan) == "canceled"
        assert (run.differences, roony.purchase(asked.purchase).held) == (0, 0)
        # Its agent still sees why there is no card.
        assert (roony.purchase(asked.purchase).status, roony.purchase(asked.purchase).failure) == ("failed", told)

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
