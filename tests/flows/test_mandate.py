"""A purchase that is paid again in every interval: held each time, once in each, at its price (section 4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.approval import Approval
from roony.core.authorization import MOST_CHECKS
from roony.core.budget import Budget, BudgetPeriod
from roony.core.card import Card
from roony.core.ledger import Hold
from roony.core.mandate import Payment
from roony.core.purchase import Purchase, Recurring
from roony.store.rows import OutboxPromise
from tests.support.books import AGENT, ORG, Books
from tests.support.promises import hold_fits
from tests.support.story import Story, neat

MONTHLY = Recurring("month", 3)


@pytest.fixture
def books(everywhere: Books) -> Books:
    """On the real till, and without any database. It is Monday, 2026-11-23."""
    return everywhere


LIVES = {
    "three payments, then over": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
says A closed 10000 yes with t1:10000           |     0 10000 ready      active
request B 10000 -> RENEWAL_TOO_EARLY            |     0 10000 ready      active
days 30                                         |     0 10000 ready      active
request C 10000 -> yes                          | 10000 10000 authorized active
says C closed 10000 yes with t2:10000           |     0 20000 ready      active
days 30                                         |     0 20000 ready      active
request D 10000 -> yes                          | 10000 20000 authorized used
request E 10000 -> CARD_USED                    | 10000 20000 authorized used
says D closed 10000 yes with t3:10000           |     0 30000 settled    used
""",
    "a retry after a decline or a reversal": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
says A reversed 0 yes:10000                     |     0     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized active
withdraw B 10000                                |     0     0 ready      active
request C 10000 -> yes                          | 10000     0 authorized active
says C closed 10000 timeout                     |     0     0 ready      active
request D 10000 -> yes                          | 10000     0 authorized active
request E 10000 -> RENEWAL_TOO_EARLY            | 10000     0 authorized active
says D closed 10000 yes with t1:9000            |     0  9000 ready      active
""",
    "the first payment is declined at Stripe: its hold stays": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
says A closed 10000 timeout                     | 10000     0 ready      active
request B 10001 -> OVER_HOLD                    | 10000     0 ready      active
request C 10000 -> yes                          | 10000     0 authorized active
""",
    "a new price": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
says A closed 10000 yes with t1:10000           |     0 10000 ready      active
days 30                                         |     0 10000 ready      active
request B 12000 -> PRICE_CHANGED                |     0 10000 ready      active
request C 12000 -> PRICE_CHANGED                |     0 10000 ready      active
renew                                           |     0 10000 ready      active
request D 12000 -> yes                          | 12000 10000 authorized active
""",
    "a new price refused": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
says A closed 10000 yes with t1:10000           |     0 10000 ready      active
days 30                                         |     0 10000 ready      active
request B 12000 -> PRICE_CHANGED                |     0 10000 ready      active
deny                                            |     0 10000 ready      active
request C 12000 -> PRICE_CHANGED                |     0 10000 ready      active
request D 10000 -> yes                          | 10000 10000 authorized active
""",
    "card checks are no payments": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 100 -> yes                            | 10000     0 ready      active
says A reversed 0 yes:100                       | 10000     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized active
says B closed 10000 yes with t1:10000           |     0 10000 ready      active
request C 100 -> RENEWAL_TOO_EARLY              |     0 10000 ready      active
request D 0 -> yes                              |     0 10000 ready      active
request D 10000 on 0 #1 -> RENEWAL_TOO_EARLY    |     0 10000 ready      active
days 30                                         |     0 10000 ready      active
request E 50 -> yes                             |    50 10000 ready      active
request F 50 -> RENEWAL_TOO_EARLY               |    50 10000 ready      active
says E reversed 0 yes:50                        |     0 10000 ready      active
request G 50 -> yes                             |    50 10000 ready      active
request G 9950 on 50 #1 -> yes                  | 10000 10000 authorized active
""",
    "a card check that is captured is the payment of its interval": """
ask 500 every month 3                           |   500     0 issuing    creating
card                                            |   500     0 ready      active
request A 100 -> yes                            |   500     0 ready      active
says A closed 100 yes with t1:100               |     0   100 ready      active
request B 100 -> RENEWAL_TOO_EARLY              |     0   100 ready      active
request C 500 -> RENEWAL_TOO_EARLY              |     0   100 ready      active
days 30                                         |     0   100 ready      active
request D 100 -> yes                            |   100   100 ready      active
says D closed 100 yes with t2:100               |     0   200 ready      active
request E 100 -> RENEWAL_TOO_EARLY              |     0   200 ready      active
""",
    "all of it together stays within the card": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
says A closed 10000 yes with t1:20001           |     0 20001 ready      active
days 30                                         |     0 20001 ready      active
request B 10000 -> OVER_HOLD                    |     0 20001 ready      active
request C 9999 -> yes                           | 10000 20001 authorized active
""",
    "increments and parts": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 6000 -> yes                           | 10000     0 authorized active
request A 3000 on 6000 #1 -> yes                | 10000     0 authorized active
request A 3000 on 9000 #2 -> OVER_HOLD          | 10000     0 authorized active
says A closed 9000 yes:6000,yes:3000,no:3000 with t1:9000|     0  9000 ready      active
days 30                                         |     0  9000 ready      active
request B 12000 +controllable -> yes 10000      | 10000  9000 authorized active
says B pending 10000 yes with t2:4000           |  6000 13000 authorized active
request B 1 on 10000 #1 -> OVER_HOLD            |  6000 13000 authorized active
""",
    "the first payment is captured without authorization: the next ones have holds of their own": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
capture - t1 10000                              |     0 10000 ready      active
days 30                                         |     0 10000 ready      active
request A 10000 -> yes                          | 10000 10000 authorized active
""",
    "a part of the first payment is captured without authorization": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
capture - t1 700                                |     0   700 ready      active
days 30                                         |     0   700 ready      active
request A 10000 -> yes                          | 10000   700 authorized active
""",
    "the first payment is declined and captured all the same": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10001 -> OVER_HOLD                    | 10000     0 ready      active
says A closed 10001 no with t1:10000            |     0 10000 ready      active
days 30                                         |     0 10000 ready      active
request B 10000 -> yes                          | 10000 10000 authorized active
""",
    "canceled while a payment is open": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
cancel                                          | 10000     0 authorized canceled
cancel                                          | 10000     0 authorized canceled
request B 100 -> CARD_NOT_ACTIVE                | 10000     0 authorized canceled
says A closed 10000 yes with t1:10000           |     0 10000 settled    canceled
""",
    "frozen, and back": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
freeze                                          | 10000     0 authorized frozen
days 30                                         | 10000     0 authorized frozen
request B 10000 -> FROZEN                       | 10000     0 authorized frozen
unfreeze                                        | 10000     0 authorized active
request C 10000 -> yes                          | 20000     0 authorized active
""",
    "its time is over": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
says A closed 10000 yes with t1:10000           |     0 10000 ready      active
expire                                          |     0 10000 settled    expired
request B 10000 -> CARD_EXPIRED                 |     0 10000 settled    expired
""",
    "never paid": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
expire                                          |     0     0 expired    expired
""",
    "canceled at Stripe": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
stripe canceled                                 |     0     0 canceled   canceled
""",
    "captured too much, and given back": """
ask 10000 every month 3                         | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
request A 10000 -> yes                          | 10000     0 authorized active
says A closed 10000 yes with t1:12000           |     0 12000 ready      active
days 30                                         |     0 12000 ready      active
request B 10000 -> yes                          | 10000 12000 authorized active
says B closed 10000 yes with t2:10000           |     0 22000 ready      active
refund r1 12000                                 |     0 10000 ready      active
capture - t3 500                                |     0 10500 ready      active
""",
}


@pytest.mark.parametrize("name", LIVES)
def test_lives(books: Books, name: str) -> None:
    assert Story(books).tell(LIVES[name]) == neat(LIVES[name])


def month(books: Books, budget: str = "bud_agent_month") -> list[tuple[int, int]]:
    """Held and spent in each month."""
    return [(row.held, row.spent) for row in books.rows(BudgetPeriod, budget_id=budget)]


def paid_once(books: Books, story: Story) -> None:
    story.tell("ask 10000 every month 3\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000\ndays 30")


class TestBudgets:
    def test_each_payment_counts_in_its_own_month(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell("request B 10000")
        assert month(books) == [(0, 10_000), (10_000, 0)]
        # What comes later falls where its payment was held: captures by their authorization, whenever they come.
        story.tell("says B closed 10000 yes with t2:10000\ndays 30\ncapture A t3 700\nrefund r1 300")
        assert month(books) == [(0, 10_700), (0, 9_700)]

    def test_a_month_without_room_declines_and_the_next_one_passes(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        other = books.ready(495_000, "Hetzner")
        assert story.tell("request B 10000").split("->")[1].split("|")[0].strip() == "OVER_BUDGET"
        assert other.held == 495_000
        assert len(books.rows(Hold, purchase_id=story.purchase_id)) == 1
        assert "-> yes" in story.tell("days 30\nrequest C 10000").splitlines()[1]
        hold_fits(books, story.purchase)

    def test_a_limit_of_any_scope_declines(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        for scope, period in ((ORG, "day"), ("prj_1", "week"), (AGENT, "lifetime")):
            books.limit(scope, period, 9_999 if period != "lifetime" else 19_999)
            assert "OVER_BUDGET" in story.tell(f"request {period} 10000")
            books.limit(scope, period, None)
        assert "-> yes" in story.tell("request B 10000")

    def test_the_hold_of_a_renewal_has_the_tolerance(self, books: Books) -> None:
        books.controls(AGENT, tolerance_percent=5)
        story = Story(books)
        paid_once(books, story)
        assert "-> yes" in story.tell("request B 10500")
        assert story.purchase.held == 10_500
        assert "PRICE_CHANGED" in story.tell("days 30\nrequest C 10501")


class TestCard:
    def test_stripe_holds_each_payment_and_all_of_them(self, books: Books) -> None:
        story = Story(books)
        story.tell("ask 10000 every month 3\ncard")
        params = json.loads(books.row(OutboxPromise, kind="make_card").params)
        assert params["spending_controls"]["spending_limits"] == [
            {"amount": 10_000, "interval": "per_authorization"},
            {"amount": 30_000, "interval": "all_time"},
        ]
        assert "lifecycle_controls" not in params
        card = books.row(Card)
        assert card.hard_limit == 30_000
        # Until it is made it has an hour; then it lives to the end of its third month.
        assert card.expires_at == 1_801_440_000_000_000  # 2027-02-01

    def test_it_never_outlives_the_printed_month(self, books: Books) -> None:
        asked = books.ask(10_000, recurring=Recurring("year", 3))
        assert books.row(Card).expires_at == books.clock() + 3_600_000_000
        story = Story(books)
        story.purchase_id, story.promise = asked.purchase.id, asked.promise
        story.tell("card")
        assert books.row(Card).expires_at == 1_861_920_000_000_000  # 2029-01-01, before the card's 12/2030

    def test_its_end_is_promised_once_after_the_last_payment(self, books: Books) -> None:
        story = Story(books)
        story.tell(LIVES["three payments, then over"])
        ends = books.rows(OutboxPromise, kind="set_card_status")
        assert [json.loads(promise.params) for promise in ends] == [{"status": "canceled"}]
        assert story.purchase.ended_reason == "completed"
        story.tell("refund r1 10000")
        assert len(books.rows(OutboxPromise, kind="set_card_status")) == 1
        assert (story.purchase.status, story.purchase.payments_made) == ("settled", 3)


def test_card_checks_of_an_interval_have_a_limit(books: Books) -> None:
    story = Story(books)
    paid_once(books, story)
    for at in range(MOST_CHECKS):
        assert "-> yes" in story.tell(f"request check{at} 0")
    assert "RENEWAL_TOO_EARLY" in story.tell("request one_more 0")
    assert "-> yes" in story.tell("request B 10000")
    assert "-> yes" in story.tell("days 30\nrequest next 50")


class TestPrice:
    def test_one_question_with_both_prices(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell("request B 12000\nrequest C 12500")
        approval = books.row(Approval)
        assert (approval.kind, approval.amount, approval.status) == ("renewal", 12_000, "pending")
        shown = json.loads(approval.snapshot)
        assert shown["reasons"][0]["message"] == (
            "The price for each month was 100.00 USD, the merchant asks for 120.00 USD now."
        )
        assert shown["budgets"][0]["available_after"] == 488_000

    def test_stripe_declined_it_by_its_own_limit(self, books: Books) -> None:
        """It asks nobody then: the question comes from its statement, once, and only where a payment was due."""
        story = Story(books)
        paid_once(books, story)
        story.tell("says B closed 12000 controls\nsays B closed 12000 controls\nsays C closed 12000 controls")
        approval = books.row(Approval)
        assert (approval.kind, approval.amount, approval.status) == ("renewal", 12_000, "pending")
        assert "-> yes" in story.tell("renew\nrequest D 12000").splitlines()[1]
        story.tell("says E closed 13000 controls")
        assert len(books.rows(Approval)) == 1

    @pytest.mark.parametrize(
        "told", ["says B closed 10000 controls", "says B closed 12000 broke", "says B pending 12000 active"]
    )
    def test_any_other_decline_asks_nobody(self, books: Books, told: str) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell(told)
        assert books.rows(Approval) == []

    def test_a_first_payment_over_its_hold_asks_nobody(self, books: Books) -> None:
        story = Story(books)
        story.tell("ask 10000 every month 3\ncard\nsays A closed 12000 controls")
        assert books.rows(Approval) == []

    def test_a_yes_changes_what_comes_and_lifts_the_limits(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell("request B 12000\nrenew")
        assert (story.purchase.amount, story.purchase.hold_amount, story.purchase.held) == (12_000, 12_000, 0)
        wanted = json.loads(books.row(OutboxPromise, kind="set_card_limits").params)["card"]
        assert wanted["spending_controls"]["spending_limits"] == [
            {"amount": 12_000, "interval": "per_authorization"},
            {"amount": 34_000, "interval": "all_time"},
        ]
        assert books.row(Card).hard_limit == 34_000

    def test_a_yes_to_another_amount(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell("request B 12000\nrenew 11000")
        assert story.purchase.amount == 11_000
        assert "PRICE_CHANGED" in story.tell("request C 12000")

    def test_what_the_rules_forbid_stays_as_it_is(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell("request B 12000")
        books.controls(AGENT, purchase_limit=11_000)
        story.tell("renew")
        assert (story.purchase.amount, books.row(Approval).status) == (10_000, "denied")
        assert books.rows(OutboxPromise, kind="set_card_limits") == []

    def test_a_yes_after_its_time_or_after_the_end_is_refused(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        assert "approval_closed" in story.tell("request B 12000\ndays 3\nrenew").splitlines()[-1]
        assert story.purchase.amount == 10_000
        story.tell("request C 12000\ncancel")
        assert sorted(row.status for row in books.rows(Approval)) == ["denied", "pending"]
        assert "approval_closed" in story.tell("renew")


class TestAsk:
    def test_a_mandate_is_no_duplicate_of_a_purchase(self, books: Books) -> None:
        once, again = books.ask(10_000), books.ask(10_000, recurring=MONTHLY)
        assert [row.kind for row in books.rows(Purchase)] == ["one_time", "recurring"]
        assert once.purchase.fingerprint != again.purchase.fingerprint
        assert books.ask(10_000, recurring=Recurring("month", 4)).code == "possible_duplicate"

    def test_a_person_decides_before_the_first_payment(self, books: Books) -> None:
        books.controls(AGENT, approval_threshold=5_000)
        story = Story(books)
        table = """
ask 10000 every month 3                         | 10000     0 awaiting_approval -
approve 11000                                   | 11000     0 issuing    creating
card                                            | 11000     0 ready      active
request A 11000 -> yes                          | 11000     0 authorized active
"""
        assert story.tell(table) == neat(table)
        assert [row.sequence for row in books.rows(Payment)] == [1]
        assert month(books) == [(11_000, 0)]

    def test_a_no_before_the_first_payment(self, books: Books) -> None:
        books.controls(AGENT, approval_threshold=5_000)
        story = Story(books)
        story.tell("ask 10000 every month 3\ndeny")
        assert (story.purchase.status, story.purchase.held) == ("declined", 0)


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        pytest.param({"purchase_limit": 4_999}, "RULES_CHANGED", id="limit"),
        pytest.param({"purchase_limit": 5_000}, "APPROVED", id="limit-it-keeps"),
        pytest.param({"allowed_merchants": ["Other"]}, "RULES_CHANGED", id="merchants"),
        pytest.param({"allowed_merchants": ["Figma", "Other"]}, "APPROVED", id="merchants-with-it"),
    ],
)
def test_a_renewal_keeps_to_the_rules_of_now(books: Books, rules: dict[str, Any], code: str) -> None:
    """Limits bind new holds (section 4): what the owner set after the first payment counts for the second."""
    purchase = books.ready(5_000, recurring=MONTHLY)
    assert books.authorize(purchase, 5_000, authorization_id="iauth_0").approved
    books.controls(**rules)
    books.clock.advance(31 * 86_400)
    answered = books.authorize(purchase, 5_000, authorization_id="iauth_1")
    assert answered.code == code
    held = books.row(Purchase, id=purchase.id).held
    assert held == (10_000 if answered.approved else 5_000)


def test_the_intervals_are_those_of_the_organization(books: Books) -> None:
    """A day in Prague begins at 23:00 UTC in winter: what is too early at 22:59 is good a minute later."""
    from roony.core.agent import Organization

    books.put(books.row(Organization, id=ORG)._replace(time_zone="Europe/Prague"))
    books.reconfigure()
    books.clock.advance(12 * 3_600)
    story = Story(books)
    story.tell("ask 10000 every day 3\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000")
    books.clock.advance(11 * 3_600 - 60)
    assert "RENEWAL_TOO_EARLY" in story.tell("request B 10000")
    books.clock.advance(60)
    assert "-> yes" in story.tell("request C 10000")


class TestStripeAlone:
    """What Stripe approved or captured without asking counts when it happened, whatever is told first (section 4)."""

    def test_an_approval_counts_in_its_interval_and_month(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell("says B pending 10000 active")
        assert (story.purchase.held, story.purchase.payments_made) == (10_000, 2)
        assert month(books) == [(0, 10_000), (10_000, 0)]
        assert "RENEWAL_TOO_EARLY" in story.tell("request C 10000")
        assert "-> yes" in story.tell("days 30\nrequest D 10000").splitlines()[1]
        # Told late, captured later and given back: all of it in the month in which it was approved.
        story.tell("says B closed 10000 active with t2:10000\nrefund r1 100\ncapture B t3 700")
        assert month(books) == [(0, 10_000), (0, 10_600), (10_000, 0)]
        assert story.purchase.payments_made == 3
        assert story.flags() == ["approved_without_roony", "extra_capture", "over_capture"]

    def test_one_told_in_the_next_month_counts_in_its_own(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.began["B"] = books.clock() // 1_000_000
        story.tell("days 30\nrequest C 10000\nsays B pending 9000 fallback")
        assert month(books) == [(0, 10_000), (9_000, 0), (10_000, 0)]
        assert story.purchase.payments_made == 3

    def test_a_capture_is_the_payment_of_its_interval(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell("capture - t2 4000\nrefund r1 500")
        assert month(books) == [(0, 10_000), (0, 3_500)]
        assert story.purchase.payments_made == 2
        assert "RENEWAL_TOO_EARLY" in story.tell("request B 10000")
        assert "-> yes" in story.tell("days 30\nrequest C 10000").splitlines()[1]
        story.tell("says C closed 10000 yes with t3:10000")
        assert (story.purchase.ended_reason, month(books)[2]) == ("completed", (0, 10_000))

    @pytest.mark.parametrize("told", ["says B pending 8000 active", "capture - t1 8000"])
    def test_the_first_uses_what_was_set_aside_at_the_ask(self, books: Books, told: str) -> None:
        story = Story(books)
        story.tell(f"ask 10000 every month 3\ncard\ndays 30\n{told}")
        [payment] = books.rows(Payment)
        assert payment.interval_start == 1_796_083_200_000_000  # 2026-12-01: it was asked for in November
        assert "RENEWAL_TOO_EARLY" in story.tell("request C 10000")
        assert "-> yes" in story.tell("days 31\nrequest D 10000").splitlines()[1]
        assert [row.sequence for row in books.rows(Payment)] == [1, 2]

    def test_the_first_told_after_an_answer_used_what_was_set_aside(self, books: Books) -> None:
        """Then the answer has a hold of its own, in the month of its time."""
        story = Story(books)
        story.tell("ask 10000 every month 3\ncard")
        story.began["X"] = books.clock() // 1_000_000
        story.tell("days 30\nrequest A 10000")
        assert month(books) == [(10_000, 0)]
        story.tell("says X closed 8000 active with t1:8000")
        assert month(books) == [(0, 8_000), (10_000, 0)]
        story.tell("says A closed 10000 yes with t2:10000")
        assert month(books) == [(0, 8_000), (0, 10_000)]

    def test_a_reversed_one_may_be_tried_again(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.tell("says B pending 10000 active\nsays B reversed 0 active:10000")
        assert (story.purchase.held, story.purchase.payments_made) == (0, 1)
        assert "-> yes" in story.tell("request C 10000")
        story.tell("capture B t2 300\nwithdraw C 10000")
        assert month(books) == [(0, 10_000), (0, 300)]
        assert (story.purchase.held, story.purchase.payments_made) == (0, 2)

    def test_more_on_it_is_declined_for_nothing_was_set_aside(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        assert "OVER_HOLD" in story.tell("says B pending 5000 active\nrequest B 100 on 5000 #1")

    def test_a_budget_counts_from_its_creation(self, books: Books) -> None:
        story = Story(books)
        paid_once(books, story)
        story.began["B"] = books.clock() // 1_000_000
        younger = books.row(Budget, id="bud_project_lifetime")._replace(created_at=books.clock() + 1)
        books.put(younger)
        books.reconfigure()
        story.tell("wait 60\nsays B pending 9000 fallback")
        assert month(books, "bud_agent_lifetime") == [(9_000, 10_000)]
        assert month(books, younger.id) == [(0, 10_000)]


def test_a_repeated_request_gets_its_answer_and_no_second_hold(books: Books) -> None:
    story = Story(books)
    paid_once(books, story)
    story.tell("request B 10000\nrequest B 10000")
    assert [row.sequence for row in books.rows(Payment)] == [1, 2]
    assert story.purchase.held == 10_000


def test_over_capture_is_looked_for_payment_by_payment(books: Books) -> None:
    story = Story(books)
    paid_once(books, story)
    story.tell("request B 10000\nsays B closed 10000 yes with t2:10001")
    assert story.flags() == ["over_capture"]
