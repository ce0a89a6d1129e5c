"""Dry runs over the past: what recorded purchases would have become under other rules, computed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from roony.core.errors import Refusal
from roony.core.purchase import Purchase, Recurring
from roony.core.replay.report import Report
from roony.flows.approval import Approve, ApproveIds, ExpireApproval
from roony.flows.ending import CancelPurchase
from roony.flows.limits import SetControls
from roony.flows.raising import RaiseIds, RaisePurchase
from roony.flows.replay import prepare_replay, run_replay
from tests.support.books import AGENT, NOW, ORG, Books
from tests.support.promises import money_rows
from tests.support.story import PERSON

Rules = dict[str, Any]
HOUR = 3_600


def run(books: Books, rules: Rules, since: int = NOW, page: int = 500) -> Report:
    """Everything since then under these rules; nothing is written."""
    before = money_rows(books)
    replay = prepare_replay(books.database, ORG, rules, since, books.clock(), books.new_id)
    assert not isinstance(replay, Refusal), replay
    report = Report()
    read = [0, *run_replay(replay, report, page)]
    assert read[-1] == replay.purchases
    assert money_rows(books) == before
    return report


def told(books: Books, rules: Rules, since: int = NOW, page: int = 500) -> dict[str, str]:
    """By purchase, and by its step where that is not the ask: what it was, what it would have been and why."""
    report = run(books, rules, since, page)
    assert not report.untold
    return {
        one.purchase.id + ("" if one.step == "ask" else f" {one.step}"): " ".join(
            [f"{one.before}>{one.after}", *dict.fromkeys(reason.code for reason in one.after_reasons)]
        )
        for one in report.shown
    }


def agent(**rules: Any) -> Rules:
    return {"agents": {AGENT: rules}}


def budgets(**limits: int | None) -> Rules:
    return agent(budgets={"usd": limits})


def approve(books: Books, purchase: Purchase, amount: int | None = None) -> None:
    ids = ApproveIds(books.new_id("hold"), books.new_id("crd"), books.new_id("out"))
    books.run(Approve(ORG, purchase.approval_id, purchase, PERSON, "fine", ids, amount))


def lift(books: Books, purchase: Purchase, amount: int) -> None:
    ids = RaiseIds(books.new_id("hold"), books.new_id("apr"), books.new_id("out"))
    books.run(RaisePurchase(ORG, books.row(Purchase, id=purchase.id), AGENT, amount, ids))


# Each story makes purchases pur_1, pur_2, … ; each row says what changed rules would have made of them.


def three(books: Books) -> None:
    """30.00, 40.00 and 50.00, a minute apart."""
    for amount, merchant in ((3_000, "Figma"), (4_000, "Notion"), (5_000, "Linear")):
        books.ready(amount, merchant)
        books.clock.advance(60)


def refused_one(books: Books) -> None:
    """A budget of 60.00 let 50.00 through, and 20.00 no more; then 10.00."""
    books.limit(AGENT, "month", 6_000)
    for amount, merchant in ((5_000, "Figma"), (2_000, "Notion"), (1_000, "Linear")):
        books.ask(amount, merchant)
        books.clock.advance(60)


def canceled(books: Books) -> None:
    """50.00 held and given back, then 60.00."""
    bought = books.ready(5_000)
    books.clock.advance(60)
    books.run(CancelPurchase(ORG, bought.id, "owner", books.new_id("out")))
    books.clock.advance(60)
    books.ask(6_000, "Notion")


def dear_one(books: Books) -> None:
    """A person was asked about 90.00 and said no by saying nothing; then 60.00 at the same merchant."""
    books.controls(approval_threshold=8_000, approve_new_merchants=True)
    asked = books.ask(9_000)
    books.clock.advance(HOUR)
    books.run(ExpireApproval(ORG, asked.purchase.approval_id, books.new_id("out")))
    books.ask(6_000)


def changed_yes(books: Books) -> None:
    """A person was asked about 90.00 and said yes to 70.00, in the next hour; then 30.00."""
    books.controls(approval_threshold=8_000, approval_expiry_seconds=7_200)
    asked = books.ask(9_000)
    books.clock.advance(HOUR)
    approve(books, asked.purchase, 7_000)
    books.clock.advance(60)
    books.ask(3_000, "Notion")


def raised(books: Books) -> None:
    """50.00, raised to 80.00, then 30.00."""
    bought = books.ready(5_000)
    books.clock.advance(60)
    lift(books, bought, 8_000)
    books.clock.advance(60)
    books.ask(3_000, "Notion")


def wanted_again(books: Books) -> None:
    """The same twice, ten minutes apart, the second time on purpose; and once more after half an hour."""
    books.ask(5_000)
    books.clock.advance(600)
    books.ask(5_000, allow_duplicate=True)
    books.clock.advance(1_800)
    books.ask(5_000)


def tasks(books: Books) -> None:
    """30.00 for one task, 40.00 for another, 30.00 for the first again, 30.00 for none."""
    for amount, merchant, task in ((3_000, "A", "x"), (4_000, "B", "y"), (3_001, "C", "x"), (3_000, "D", None)):
        books.ask(amount, merchant, task=task)
        books.clock.advance(60)


def frozen(books: Books) -> None:
    """Declined since the agent is frozen."""
    books.limit(AGENT, "month", 100)
    books.freeze()
    books.ask(5_000)


def mandate(books: Books) -> None:
    """A mandate of 30.00 a day that was paid once, then 50.00."""
    books.ready(3_000, recurring=Recurring("day", 4))
    books.clock.advance(60)
    books.authorize("ic_pur_1", 3_000)
    books.clock.advance(60)
    books.ask(5_000, "Notion")


def unlocked(books: Books) -> None:
    """The rules let the agent name a looser lock, and it did."""
    books.controls(merchant_lock="monitor")
    books.ask(5_000, merchant_lock="monitor")


def over_a_month(books: Books) -> None:
    """50.00 in this month, 50.00 in the next."""
    books.ask(5_000)
    books.clock.advance(32 * 86_400)
    books.ask(5_000)


APPROVED, DECLINED, ASKED = "approved", "declined", "needs_approval"
LOST = f"{APPROVED}>{DECLINED}"
SCENARIOS: list[tuple[Callable[[Books], None], Rules, dict[str, str]]] = [
    (three, {}, {}),
    (three, agent(controls={"purchase_limit": 4_500}), {"pur_3": f"{LOST} OVER_PURCHASE_LIMIT"}),
    (three, agent(controls={"purchase_limit": 100}), {f"pur_{n}": f"{LOST} OVER_PURCHASE_LIMIT" for n in (1, 2, 3)}),
    (three, agent(controls={"approval_threshold": 3_000}),
     {f"pur_{n}": f"{APPROVED}>{ASKED} APPROVAL_OVER_THRESHOLD" for n in (2, 3)}),
    # 30.00 + 40.00 fit; 50.00 more do not.
    (three, budgets(month=11_999), {"pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    # 40.00 is declined and so leaves room for 50.00.
    (three, agent(controls={"blocked_merchants": ["Notion"]}, budgets={"usd": {"month": 8_000}}),
     {"pur_2": f"{LOST} MERCHANT_BLOCKED"}),
    # A limit that there was not: what the purchases themselves held counts.
    (three, budgets(day=6_999), {"pur_2": f"{LOST} BUDGET_EXCEEDED", "pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    (three, budgets(day=8_000), {"pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    (three, {"organization": {"budgets": {"usd": {"lifetime": 7_000}}}}, {"pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    (three, budgets(month=None), {f"pur_{n}": f"{LOST} BUDGET_EXCEEDED" for n in (1, 2, 3)}),
    (three, agent(controls={"velocity_count": 2}), {"pur_3": f"{LOST} VELOCITY_EXCEEDED"}),
    # The first does not count where it is declined.
    (three, agent(controls={"velocity_count": 2, "blocked_merchants": ["Figma"]}),
     {"pur_1": f"{LOST} MERCHANT_BLOCKED"}),
    # Half of each is added to its hold: 45.00 and 60.00 of 120.00 are held when 75.00 are needed.
    (three, agent(controls={"tolerance_percent": 50}, budgets={"usd": {"month": 12_000}}),
     {"pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    # 20.00 would have fit, and then 10.00 no more.
    (refused_one, budgets(month=7_000),
     {"pur_2": f"{DECLINED}>{APPROVED}", "pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    (refused_one, agent(controls={"purchase_limit": 4_000}),
     {"pur_1": f"{LOST} OVER_PURCHASE_LIMIT", "pur_2": f"{DECLINED}>{APPROVED}"}),
    (refused_one, agent(controls={"blocked_merchants": ["Notion"]}), {"pur_2": f"{DECLINED}>{DECLINED} "
     "MERCHANT_BLOCKED BUDGET_EXCEEDED"}),
    # What was given back leaves room again.
    (canceled, budgets(month=6_000), {}),
    (canceled, budgets(day=6_000), {}),
    (canceled, budgets(day=5_999), {"pur_2": f"{LOST} BUDGET_EXCEEDED"}),
    # Nobody said yes; without the threshold 90.00 is spent and the merchant is known.
    (dear_one, agent(controls={}, budgets={"usd": {"month": 15_000}}),
     {"pur_1": f"{ASKED}>{APPROVED}", "pur_2": f"{ASKED}>{APPROVED}"}),
    (dear_one, agent(controls={}, budgets={"usd": {"month": 14_999}}),
     {"pur_1": f"{ASKED}>{APPROVED}", "pur_2": f"{ASKED}>{DECLINED} BUDGET_EXCEEDED"}),
    # What a person said yes to is what counts: 70.00 in the second hour.
    (changed_yes, agent(controls={"approval_threshold": 8_000}, budgets={"usd": {"month": 9_999}}),
     {"pur_2": f"{LOST} BUDGET_EXCEEDED"}),
    (changed_yes, agent(controls={"approval_threshold": 8_000}, budgets={"usd": {"month": 10_000}}), {}),
    (changed_yes, agent(controls={"purchase_limit": 8_000}, budgets={"usd": {"month": 3_000}}),
     {"pur_1": f"{ASKED}>{DECLINED} OVER_PURCHASE_LIMIT BUDGET_EXCEEDED"}),
    # The raise alone is declined: 50.00 stay, and 30.00 fit.
    (raised, budgets(month=8_000), {"pur_2": f"{LOST} BUDGET_EXCEEDED"}),
    (raised, agent(controls={"purchase_limit": 7_000}, budgets={"usd": {"month": 8_000}}),
     {"pur_1 raise": f"{LOST} OVER_PURCHASE_LIMIT"}),
    (raised, agent(controls={"purchase_limit": 4_000}, budgets={"usd": {"month": 3_000}}),
     {"pur_1": f"{LOST} OVER_PURCHASE_LIMIT BUDGET_EXCEEDED"}),
    (raised, agent(controls={"approval_threshold": 4_000}),
     {"pur_1": f"{APPROVED}>{ASKED} APPROVAL_OVER_THRESHOLD",
      "pur_1 raise": f"{APPROVED}>{ASKED} APPROVAL_OVER_THRESHOLD"}),
    (raised, agent(controls={"velocity_amount": 10_999}), {"pur_2": f"{LOST} VELOCITY_EXCEEDED"}),
    (raised, agent(controls={"velocity_amount": 8_000, "purchase_limit": 7_000}),
     {"pur_1 raise": f"{LOST} OVER_PURCHASE_LIMIT"}),
    # The first is declined, so nothing is repeated.
    (wanted_again, agent(controls={"duplicate_window_seconds": 60}), {"pur_2": f"{ASKED}>{APPROVED}"}),
    (wanted_again, agent(controls={"duplicate_window_seconds": 3_600}), {"pur_3": f"{LOST} POSSIBLE_DUPLICATE"}),
    (tasks, agent(each_task={"budgets": {"usd": {"lifetime": 6_000}}}), {"pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    (tasks, agent(each_task={"controls": {"purchase_limit": 3_500}}), {"pur_2": f"{LOST} OVER_PURCHASE_LIMIT"}),
    # What it was frozen for is not in a document.
    (tasks, agent(tasks={"y": {"controls": {"purchase_limit": 3_500}}}), {"pur_2": f"{LOST} OVER_PURCHASE_LIMIT"}),
    (tasks, agent(tasks={"y": {"budgets": {"usd": {"day": 3_999}}}}), {"pur_2": f"{LOST} BUDGET_EXCEEDED"}),
    (tasks, agent(each_task={"budgets": {"usd": {"day": 3_500}}}, tasks={"y": {"budgets": {"usd": {"day": 9_000}}}}),
     {"pur_2": f"{LOST} BUDGET_EXCEEDED", "pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    (frozen, budgets(month=10_000), {"pur_1": f"{DECLINED}>{DECLINED} AGENT_SUSPENDED"}),
    (mandate, agent(controls={"blocked_merchants": ["Figma"]}, budgets={"usd": {"month": 5_000}}),
     {"pur_1": f"{LOST} MERCHANT_BLOCKED"}),
    (mandate, budgets(month=7_999), {"pur_2": f"{LOST} BUDGET_EXCEEDED"}),
    (unlocked, agent(controls={}), {"pur_1": f"{LOST} INVALID"}),
    (over_a_month, budgets(month=5_000), {}),
    (over_a_month, budgets(lifetime=9_999), {"pur_2": f"{LOST} BUDGET_EXCEEDED"}),
]  # fmt: skip


@pytest.mark.parametrize("story", dict.fromkeys(story for story, _, _ in SCENARIOS), ids=lambda story: story.__name__)
def test_other_rules_change_what_they_must(books: Books, story: Callable[[Books], None]) -> None:
    story(books)
    for played, rules, expected in SCENARIOS:
        if played is story:
            for page in (500, 1):
                assert told(books, rules, page=page) == expected, (rules, page)
    assert told(books, {}) == {}


MINUTE = 60_000_000


def given_back_later(books: Books) -> None:
    """50.00 held; a minute later 20.00; then the first is given back, and 60.00 is asked for."""
    bought = books.ready(5_000)
    books.clock.advance(60)
    books.ask(2_000, "Notion")
    books.clock.advance(60)
    books.run(CancelPurchase(ORG, bought.id, "owner", books.new_id("out")))
    books.clock.advance(60)
    books.ask(6_000, "Linear")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, {}),
        (budgets(day=8_000), {}),
        (budgets(day=7_999), {"pur_3": f"{LOST} BUDGET_EXCEEDED"}),
        # What was held before the replay begins counts as long as it was held.
        (budgets(day=6_999), {"pur_2": f"{LOST} BUDGET_EXCEEDED"}),
        (budgets(lifetime=6_999), {"pur_2": f"{LOST} BUDGET_EXCEEDED"}),
        (budgets(day=5_999), {"pur_2": f"{LOST} BUDGET_EXCEEDED", "pur_3": f"{LOST} BUDGET_EXCEEDED"}),
    ],
)
def test_what_was_held_before_counts_in_a_limit_that_is_new(
    books: Books, rules: Rules, expected: dict[str, str]
) -> None:
    given_back_later(books)
    assert told(books, rules, NOW + MINUTE) == expected


def test_what_was_bought_before_may_be_repeated_and_is_known(books: Books) -> None:
    """An hour ago, with a window of 15 minutes; then the same again, and elsewhere."""
    books.controls(approve_new_merchants=True)
    asked = books.ask(5_000)
    approve(books, asked.purchase)
    books.clock.advance(HOUR)
    books.ask(5_000)
    since = books.clock() - MINUTE
    wide = agent(controls={"approve_new_merchants": True, "duplicate_window_seconds": 7_200})
    assert told(books, wide, since) == {"pur_2": f"{LOST} POSSIBLE_DUPLICATE"}
    narrow = agent(controls={"approve_new_merchants": True, "duplicate_window_seconds": 1_800})
    assert told(books, narrow, since) == {}


def test_a_merchant_is_known_only_where_something_is_bought_from_it(books: Books) -> None:
    """30.00 and then 20.00 at the same merchant: without the first one a person is asked about the second."""
    books.ask(3_000)
    books.clock.advance(60)
    books.ask(2_000)
    strict = agent(controls={"purchase_limit": 2_500, "approve_new_merchants": True})
    assert told(books, strict) == {
        "pur_1": f"{LOST} OVER_PURCHASE_LIMIT", "pur_2": f"{APPROVED}>{ASKED} APPROVAL_NEW_MERCHANT",
    }  # fmt: skip


def test_what_ended_unpaid_makes_a_merchant_known_no_more(books: Books) -> None:
    """20.00 and its cancel, 30.00, then 10.00: without the second one nothing was bought there any more."""
    given_up = books.ready(2_000)
    books.clock.advance(60)
    books.run(CancelPurchase(ORG, given_up.id, AGENT, books.new_id("out"), AGENT))
    books.clock.advance(60)
    books.ask(3_000)
    books.clock.advance(60)
    books.ask(1_000)
    assert told(books, agent(controls={"approve_new_merchants": True})) == {
        "pur_1": f"{APPROVED}>{ASKED} APPROVAL_NEW_MERCHANT", "pur_2": f"{APPROVED}>{ASKED} APPROVAL_NEW_MERCHANT",
    }  # fmt: skip
    strict = agent(controls={"purchase_limit": 2_500, "approve_new_merchants": True})
    assert told(books, strict)["pur_3"] == f"{APPROVED}>{ASKED} APPROVAL_NEW_MERCHANT"


def test_what_is_not_recorded_is_counted_and_never_guessed(books: Books) -> None:
    """A decision of a release before 0005, a raise of one that did not keep the ask, and two tasks' controls."""
    old = books.ready(5_000)
    books.clock.advance(60)
    lifted = books.ready(2_000, "Notion")
    books.clock.advance(60)
    lift(books, lifted, 3_000)
    for purchase in (books.row(Purchase, id=old.id), books.row(Purchase, id=lifted.id)):
        kept = json.loads(purchase.decision)
        kept.pop("asked", None)
        if purchase.id == old.id:
            del kept["inputs"]["at"], kept["inputs"]["ask"]
        books.put(purchase._replace(decision=json.dumps(kept)))
    report = run(books, agent(controls={"purchase_limit": 100}))
    assert dict(report.untold) == {"inputs_missing": 2}
    assert [(one.purchase.id, one.step, one.after) for one in report.shown] == [(lifted.id, "raise", DECLINED)]

    books.clock.advance(60)
    for scope_id, fields in ((f"{AGENT}:x", {"purchase_limit": 9_000}), (f"{AGENT}:*", {})):
        books.run(SetControls(ORG, "task", scope_id, fields, "owner"))
    books.ask(1_000, "Linear", task="x")
    rules = agent(each_task={"controls": {"purchase_limit": 100}})
    report = run(books, rules, books.clock())
    assert (dict(report.untold), report.decisions) == ({"task_controls_unknown": 1}, 1)
    both = agent(each_task={"controls": {"purchase_limit": 100}}, tasks={"x": {"controls": {}}})
    assert told(books, both, books.clock()) == {"pur_3": f"{LOST} OVER_PURCHASE_LIMIT"}


def test_a_yes_that_the_rules_refused_is_decided_again(books: Books) -> None:
    """A person says yes to 90.00 after the budget went down to 80.00; with 100.00 the yes would have counted."""
    books.controls(approval_threshold=8_000)
    asked = books.ask(9_000)
    books.clock.advance(60)
    books.limit(AGENT, "month", 8_000)
    approve(books, asked.purchase)
    assert books.row(Purchase, id="pur_1").status == "declined"
    books.clock.advance(60)
    books.ask(2_000, "Notion")
    assert told(books, {}) == {}
    assert told(books, budgets(month=10_000)) == {
        "pur_1 yes": f"{DECLINED}>{APPROVED}", "pur_2": f"{LOST} BUDGET_EXCEEDED",
    }  # fmt: skip
    assert told(books, budgets(month=11_000)) == {"pur_1 yes": f"{DECLINED}>{APPROVED}"}
