"""A price raised before first use: decided anew, held anew, and the purchase as it was wherever it is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.agent import Project
from roony.core.approval import Approval
from roony.core.audit import AuditRecord
from roony.core.budget import BudgetPeriod
from roony.core.card import Card
from roony.core.errors import Refusal
from roony.core.ledger import Hold
from roony.core.purchase import Purchase, Recurring, Velocity
from roony.flows.agent import UpdateAgent
from roony.flows.approval import Approve, ApproveIds, Deny, ExpireApproval
from roony.flows.card import MadeCard, RecordCard
from roony.flows.ending import CancelPurchase
from roony.flows.raising import ApproveRaise, GiveBackRaise, Raised, RaiseIds, RaisePurchase, RecordRaise
from roony.store.rows import OutboxPromise
from tests.support.books import AGENT, NOW, ORG, PROJECT, Books, open_books
from tests.support.postgres import swept_books_database
from tests.support.promises import all_is_well, hold_fits, money_rows
from tests.support.story import PERSON
from tests.support.tills import DATABASES

FROM, TO = 10_000, 15_000


@pytest.fixture
def books(everywhere: Books) -> Books:
    return everywhere


def command(books: Books, purchase: Purchase, amount: int = TO) -> RaisePurchase:
    ids = RaiseIds(books.new_id("hold"), books.new_id("apr"), books.new_id("out"))
    return RaisePurchase(ORG, books.row(Purchase, id=purchase.id), AGENT, amount, ids)


def lift(books: Books, purchase: Purchase, amount: int = TO) -> Any:
    return books.run(command(books, purchase, amount))


def approve(books: Books, approval_id: str, amount: int | None = None) -> Any:
    approval = books.row(Approval, id=approval_id)
    purchase = books.row(Purchase, id=approval.purchase_id)
    ids = RaiseIds(books.new_id("hold"), books.new_id("apr"), books.new_id("out"))
    return books.run(ApproveRaise(ORG, approval, purchase, PERSON, "fine", ids, amount))


def confirm(books: Books, purchase: Purchase) -> None:
    """Stripe has the new limit."""
    promise = books.row(OutboxPromise, kind="raise_card", status="promised")
    books.run(RecordRaise(ORG, purchase.card_id, promise))


def give_back(books: Books, purchase: Purchase, *, end: bool = False) -> Purchase:
    promise = books.row(OutboxPromise, kind="raise_card", status="promised")
    return books.run(
        GiveBackRaise(ORG, purchase.card_id, promise, "stripe_refused", "No.", False, (), end, books.new_id("out"))
    )


def held(books: Books) -> dict[str, int]:
    """What each budget of the agent holds in its newest period."""
    rows = sorted(books.rows(BudgetPeriod), key=lambda row: row.period_start)
    return {row.budget_id.removeprefix("bud_agent_"): row.held for row in rows if "_agent_" in row.budget_id}


def records(books: Books, action: str) -> list[dict[str, Any]]:
    return [json.loads(row.body) for row in books.rows(AuditRecord) if row.action == action]


def test_the_new_amount_is_held_in_place_of_the_old(books: Books) -> None:
    bought = books.ready(FROM)
    raised = lift(books, bought)
    purchase, card = books.row(Purchase, id=bought.id), books.row(Card, id=bought.card_id)
    assert isinstance(raised, Raised)
    assert raised.promise == books.row(OutboxPromise, kind="raise_card")
    assert (purchase.amount, purchase.hold_amount, purchase.held, purchase.status) == (TO, TO, TO, "ready")
    assert (card.hard_limit, card.limit_at_stripe, card.usable_limit) == (TO, FROM, FROM)
    assert set(held(books).values()) == {TO}
    hold_fits(books, purchase)
    wanted = json.loads(raised.promise.params)["card"]
    assert wanted["spending_controls"]["spending_limits"] == [{"amount": TO, "interval": "all_time"}]
    assert [hold.amount for hold in books.rows(Hold)] == [FROM, TO]
    [body] = records(books, "purchase.raised")
    assert (body["before"], body["amount"], body["hold"]) == (FROM, TO, TO)
    confirm(books, purchase)
    card = books.row(Card, id=bought.card_id)
    assert (card.usable_limit, card.limit_at_stripe) == (TO, None)
    assert books.row(OutboxPromise, kind="raise_card").status == "done"


def test_a_raise_to_what_it_is_changes_nothing(books: Books) -> None:
    bought = books.ready(FROM)
    lift(books, bought)
    before, promises = money_rows(books), books.rows(OutboxPromise)
    again = lift(books, bought)
    assert (again.purchase.amount, again.promise) == (TO, None)
    assert (money_rows(books), books.rows(OutboxPromise)) == (before, promises)


def used(books: Books, bought: Purchase) -> None:
    assert books.authorize(bought, FROM).approved


def over(books: Books, bought: Purchase) -> None:
    books.clock.advance(3_600)


def canceled(books: Books, bought: Purchase) -> None:
    books.run(CancelPurchase(ORG, bought.id, AGENT, books.new_id("out"), AGENT))


def under_way(books: Books, bought: Purchase) -> None:
    lift(books, bought, 12_000)


def frozen_at_stripe(books: Books, bought: Purchase) -> None:
    books.put(books.row(Card, id=bought.card_id)._replace(status="frozen"))


@pytest.mark.parametrize(
    ("before", "amount", "code"),
    [
        (None, FROM - 1, "raise_not_higher"),
        (used, TO, "not_raisable"),
        (over, TO, "not_raisable"),
        (canceled, TO, "not_raisable"),
        (frozen_at_stripe, TO, "not_raisable"),
        (under_way, TO, "raise_in_progress"),
    ],
)
def test_it_is_refused_and_nothing_changes(
    books: Books, before: Callable[[Books, Purchase], None] | None, amount: int, code: str
) -> None:
    bought = books.ready(FROM)
    if before is not None:
        before(books, bought)
    was = money_rows(books), len(books.rows(AuditRecord))
    refused = lift(books, bought, amount)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.status, refused.id) == (code, 409, bought.id)
    assert (money_rows(books), len(books.rows(AuditRecord))) == was


def test_a_purchase_that_waits_for_its_first_yes_is_not_raised(books: Books) -> None:
    books.controls(approval_threshold=FROM - 1)
    asked = books.ask(FROM)
    assert lift(books, asked.purchase).code == "not_raisable"


@pytest.mark.parametrize("paid", [False, True])
def test_a_mandate_is_not_raised(books: Books, paid: bool) -> None:
    """Its price changes only when its merchant asks for another one, and a person says yes to that."""
    mandate = books.ready(FROM, recurring=Recurring("month", 3))
    if paid:
        assert books.authorize(mandate, FROM).approved
    was = money_rows(books), len(books.rows(AuditRecord)), books.rows(OutboxPromise)
    refused = lift(books, mandate)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.status, refused.id) == ("not_raisable", 409, mandate.id)
    assert "mandate" in refused.message
    assert (money_rows(books), len(books.rows(AuditRecord)), books.rows(OutboxPromise)) == was


@pytest.mark.parametrize(("named", "is_raised"), [((), False), ((PROJECT,), True)])
def test_a_project_that_was_taken_from_its_agent_gives_no_more(
    books: Books, named: tuple[str, ...], is_raised: bool
) -> None:
    """P7: the budgets and rules are those of a project in which the agent could ask for nothing any more."""
    bought = books.ready(FROM)
    books.put(Project(ORG, "prj_2", "Other", None, NOW))
    books.run(UpdateAgent(ORG, AGENT, "usr_1", project_id="prj_2", project_ids=named))
    before, answer = money_rows(books), lift(books, bought)
    assert isinstance(answer, Raised) is is_raised
    if not is_raised:
        assert (answer.code, answer.id) == ("not_raisable", bought.id)
        assert money_rows(books) == before


def test_another_agents_purchase_is_not_there(books: Books) -> None:
    bought = books.ready(FROM)
    ids = RaiseIds("hold_x", "apr_x", "out_x")
    assert books.run(RaisePurchase(ORG, bought, "agt_other", TO, ids)).code == "not_found"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"purchase_limit": TO - 1}, "OVER_PURCHASE_LIMIT"),
        ({"velocity_amount": TO - 1}, "VELOCITY_EXCEEDED"),
        ({"blocked_merchants": ["Figma"]}, "MERCHANT_BLOCKED"),
    ],
)
def test_what_the_rules_decline_leaves_a_record_and_nothing_else(books: Books, rule: dict[str, Any], code: str) -> None:
    """P10: also the old hold stays where it is."""
    bought = books.ready(FROM)
    books.controls(**rule)
    was = money_rows(books), books.rows(Velocity), books.rows(OutboxPromise)
    refused = lift(books, bought)
    assert (refused.code, refused.status) == ("raise_declined", 409)
    assert [reason[0] for reason in refused.reasons] == [code]
    assert (money_rows(books), books.rows(Velocity), books.rows(OutboxPromise)) == was
    assert records(books, "purchase.raise_declined")[0]["reasons"] == [code]


def test_its_own_hold_and_count_do_not_stand_in_its_way(books: Books) -> None:
    """P1: room for the new amount once, not for old and new."""
    books.limit(AGENT, "month", TO)
    books.controls(velocity_count=1, velocity_amount=TO)
    bought = books.ready(FROM)
    assert lift(books, bought, TO + 1).code == "raise_declined"
    raised = lift(books, bought)
    assert raised.purchase.held == TO
    hold_fits(books, raised.purchase)
    [velocity] = books.rows(Velocity)
    assert (velocity.purchases, velocity.amount) == (1, TO)


def test_a_raise_counts_in_the_month_it_is_made_in(books: Books) -> None:
    books.controls(card_ttl_seconds=30 * 86_400)
    bought = books.ready(FROM)
    books.limit(AGENT, "month", TO)
    books.clock.advance(15 * 86_400)
    lift(books, bought)
    months = sorted((row.period_start, row.held) for row in books.rows(BudgetPeriod, budget_id="bud_agent_month"))
    assert [amount for _, amount in months] == [0, TO]


def test_an_authorization_is_judged_by_the_hold_as_it_is(books: Books) -> None:
    bought = books.ready(FROM)
    assert not books.authorize(bought, TO).approved
    lift(books, bought)
    assert books.authorize(bought, TO, authorization_id="iauth_2").approved


class TestGivenBack:
    def test_amount_and_hold_are_what_they_were(self, books: Books) -> None:
        bought = books.ready(FROM)
        lift(books, bought)
        purchase = give_back(books, bought)
        assert (purchase.amount, purchase.hold_amount, purchase.held, purchase.status) == (FROM, FROM, FROM, "ready")
        assert purchase.fingerprint == bought.fingerprint
        assert json.loads(purchase.failure or "") == {
            "code": "stripe_refused", "message": "No.", "retry_can_help": False
        }  # fmt: skip
        card = books.row(Card, id=bought.card_id)
        assert (card.hard_limit, card.limit_at_stripe) == (FROM, None)
        assert set(held(books).values()) == {FROM}
        assert books.row(OutboxPromise, kind="raise_card").status == "dead"
        assert books.authorize(bought, FROM).approved

    def test_what_was_authorized_meanwhile_stays_held(self, books: Books) -> None:
        """P8: Roony has said yes to the new amount; giving the raise back must not free that money."""
        bought = books.ready(FROM)
        lift(books, bought)
        assert books.authorize(bought, TO).approved
        purchase = give_back(books, bought)
        assert (purchase.hold_amount, purchase.held, purchase.status) == (FROM, TO, "authorized")

    def test_a_weaker_card_ends_the_purchase(self, books: Books) -> None:
        bought = books.ready(FROM)
        lift(books, bought)
        purchase = give_back(books, bought, end=True)
        assert (purchase.held, purchase.status) == (0, "failed")
        assert books.row(Card, id=bought.card_id).status == "canceled"
        assert json.loads(books.row(OutboxPromise, kind="set_card_status").params) == {"status": "canceled"}

    def test_only_once(self, books: Books) -> None:
        bought = books.ready(FROM)
        lift(books, bought)
        promise = books.row(OutboxPromise, kind="raise_card")
        confirm(books, bought)
        late = GiveBackRaise(ORG, bought.card_id, promise, "stripe_refused", "No.", False, (), True, "out_late")
        assert books.run(late).held == TO


class TestLateHolder:
    """Another process held an older raise's promise, and comes back when a newer one is on its way."""

    @pytest.fixture
    def old(self, books: Books) -> OutboxPromise:
        bought = books.ready(FROM)
        promise: OutboxPromise = lift(books, bought, 12_000).promise
        confirm(books, bought)
        lift(books, bought)
        return promise

    def test_it_does_not_record_the_newer_one(self, books: Books, old: OutboxPromise) -> None:
        books.run(RecordRaise(ORG, old.subject, old))
        assert books.row(Card).usable_limit == 12_000

    def test_it_does_not_give_the_newer_one_back(self, books: Books, old: OutboxPromise) -> None:
        purchase = books.run(GiveBackRaise(ORG, old.subject, old, "x", "No.", False, (), True, books.new_id("out")))
        assert (purchase.amount, purchase.held, purchase.status, purchase.failure) == (TO, TO, "ready", None)
        assert books.row(Card).hard_limit == TO


class TestApproval:
    def test_what_a_person_lowered_only_a_person_raises(self, books: Books) -> None:
        """P7: the merchant is known by now, and the rules would let the agent's first price pass."""
        books.controls(approve_new_merchants=True)
        asked = books.ask(TO).purchase
        ids = ApproveIds(books.new_id("hold"), "crd_low", books.new_id("out"))
        books.run(Approve(ORG, asked.approval_id or "", asked, PERSON, "less will do", ids, FROM))
        made = MadeCard("ic_low", "active", "4242", 12, 2030)
        books.run(RecordCard(ORG, "crd_low", made, books.new_id("out")))
        raised = lift(books, asked)
        assert (raised.promise, raised.purchase.amount, raised.purchase.held) == (None, FROM, FROM)
        assert books.row(Approval, id=raised.purchase.approval_id).status == "pending"
        books.run(Deny(ORG, raised.purchase.approval_id, "person", "no", books.new_id("out")))
        assert lift(books, asked).promise is None
        assert approve(books, books.row(Purchase, id=asked.id).approval_id).purchase.held == TO

    @pytest.fixture
    def waiting(self, books: Books) -> Purchase:
        """A purchase of FROM whose raise to TO waits for a person."""
        books.controls(approval_threshold=FROM)
        bought = books.ready(FROM)
        before = held(books)
        raised = lift(books, bought)
        assert (raised.promise, raised.purchase.amount, raised.purchase.status) == (None, FROM, "ready")
        assert held(books) == before
        approval = books.row(Approval)
        assert (approval.kind, approval.amount, approval.status) == ("raise", TO, "pending")
        assert json.loads(approval.snapshot)["amount"] == TO
        return raised.purchase

    def test_a_yes_lifts_it(self, books: Books, waiting: Purchase) -> None:
        raised = approve(books, waiting.approval_id or "")
        assert (raised.purchase.amount, raised.purchase.held) == (TO, TO)
        assert raised.promise == books.row(OutboxPromise, kind="raise_card")
        assert books.row(Approval).status == "approved"
        assert approve(books, waiting.approval_id or "").code == "approval_closed"

    def test_a_yes_to_another_amount(self, books: Books, waiting: Purchase) -> None:
        assert approve(books, waiting.approval_id or "", FROM).code == "raise_not_higher"
        assert approve(books, waiting.approval_id or "", 12_000).purchase.held == 12_000

    def test_a_yes_the_rules_no_longer_allow(self, books: Books, waiting: Purchase) -> None:
        books.controls(purchase_limit=FROM)
        raised = approve(books, waiting.approval_id or "")
        assert (raised.promise, raised.purchase.amount, raised.purchase.status) == (None, FROM, "ready")
        assert books.row(Approval).status == "denied"
        assert books.row(Purchase, id=waiting.id).held == FROM

    def test_a_yes_after_the_card_was_used(self, books: Books, waiting: Purchase) -> None:
        assert books.authorize(waiting, FROM).approved
        assert approve(books, waiting.approval_id or "").code == "not_raisable"

    def test_a_no_leaves_the_purchase(self, books: Books, waiting: Purchase) -> None:
        books.run(Deny(ORG, waiting.approval_id or "", "person", "no", books.new_id("out")))
        purchase = books.row(Purchase, id=waiting.id)
        assert (purchase.status, purchase.held) == ("ready", FROM)
        assert books.authorize(waiting, FROM).approved

    def test_nobody_answers_and_the_purchase_stays(self, books: Books, waiting: Purchase) -> None:
        books.clock.advance(1_800)
        books.run(ExpireApproval(ORG, waiting.approval_id or "", books.new_id("out")))
        purchase = books.row(Purchase, id=waiting.id)
        assert (purchase.status, purchase.held) == ("ready", FROM)
        # Another one can be asked for then.
        assert lift(books, waiting, 16_000).purchase.approval_id != waiting.approval_id

    def test_one_open_raise_for_each_purchase(self, books: Books, waiting: Purchase) -> None:
        again = lift(books, waiting)
        assert (again.purchase.approval_id, again.promise) == (waiting.approval_id, None)
        other = lift(books, waiting, 16_000)
        assert (other.code, other.id) == ("raise_pending", waiting.approval_id)
        assert len(books.rows(Approval)) == 1

    def test_the_end_of_the_purchase_ends_the_question(self, books: Books, waiting: Purchase) -> None:
        canceled(books, waiting)
        assert books.row(Approval).status == "denied"
        assert books.row(Purchase, id=waiting.id).held == 0


def at_once(books: Books, *commands: Any) -> list[Any]:
    """The answers of commands that start together, each from a thread of its own."""
    barrier, answers = threading.Barrier(len(commands)), [None] * len(commands)

    def work(place: int, command: Any) -> None:
        barrier.wait(60)
        answers[place] = books.run(command)

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(commands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


@pytest.mark.parametrize("backend", DATABASES)
class TestAtOnce:
    @pytest.fixture
    def shared(self, backend: str, tmp_path: Path) -> Iterator[Books]:
        with swept_books_database(backend) as url, open_books(tmp_path, url) as books:
            yield books
            all_is_well(books)

    def test_two_raises_one_wins(self, shared: Books) -> None:
        for turn in range(5):
            bought = shared.ready(FROM, f"Shop {'abcde'[turn]}", allow_duplicate=True)
            answers = at_once(shared, command(shared, bought, 12_000), command(shared, bought, 13_000))
            raised = [answer for answer in answers if isinstance(answer, Raised)]
            refused = [answer for answer in answers if isinstance(answer, Refusal)]
            # The second one finds the first on its way, or, if it asks for less, a price that is higher already.
            assert (len(raised), len(refused)) == (1, 1)
            assert refused[0].code in ("raise_in_progress", "raise_not_higher")
            assert shared.row(Purchase, id=bought.id).held == raised[0].purchase.amount

    def test_a_raise_and_a_payment(self, shared: Books) -> None:
        """Either order: the payment first uses the card and the raise is refused, or it finds the new hold."""
        for turn in range(5):
            bought = shared.ready(FROM, f"Shop {'abcde'[turn]}", allow_duplicate=True)
            name = f"SHOP {'ABCDE'[turn]}"
            pay = shared.authorization_command(bought, FROM, name, authorization_id=f"iauth_{turn}")
            raised, paid = at_once(shared, command(shared, bought), pay)
            assert paid.approved
            purchase = shared.row(Purchase, id=bought.id)
            assert purchase.status == "authorized"
            assert purchase.held == (TO if isinstance(raised, Raised) else FROM)

    def test_a_raise_and_a_cancel(self, shared: Books) -> None:
        for turn in range(5):
            bought = shared.ready(FROM, f"Shop {'abcde'[turn]}", allow_duplicate=True)
            cancel = CancelPurchase(ORG, bought.id, AGENT, shared.new_id("out"), AGENT)
            _, ended = at_once(shared, command(shared, bought), cancel)
            assert (ended.status, ended.held) == ("canceled", 0)

    def test_raises_of_many_share_one_budget(self, shared: Books) -> None:
        """P1: room for two of four."""
        shops = [shared.ready(FROM, f"Shop {letter}", allow_duplicate=True) for letter in "abcd"]
        shared.limit(AGENT, "month", 4 * FROM + 2 * (TO - FROM))
        answers = at_once(shared, *(command(shared, bought) for bought in shops))
        assert sum(isinstance(answer, Raised) for answer in answers) == 2
        assert held(shared)["month"] == 4 * FROM + 2 * (TO - FROM)
