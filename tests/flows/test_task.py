"""Tasks: a limit for every task of an agent or for one of them, and what an ask that names none falls under."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.audit import AuditRecord
from roony.core.budget import Budget, BudgetPeriod
from roony.core.control import Control, ControlVersion
from roony.core.errors import Refusal
from roony.core.purchase import Purchase, Recurring
from roony.flows.limits import SetBudget, SetControls
from roony.flows.raising import RaiseIds, RaisePurchase
from roony.store.queries.limits import standings_above
from tests.support.books import AGENT, ORG, PROJECT, Books, open_books
from tests.support.memory import MemoryBooks
from tests.support.postgres import swept_books_database
from tests.support.promises import all_is_well
from tests.support.tills import DATABASES, at_once, held

EVERY, ONE = f"{AGENT}:*", f"{AGENT}:trip"


@pytest.fixture(params=[*DATABASES, "memory"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """On the real till, and on the same rules without any database."""
    if request.param == "memory":
        yield MemoryBooks()
        return
    with swept_books_database(request.param) as url, open_books(tmp_path, url) as opened:
        yield opened


def limit(books: Books, scope_id: str, amount: int | None, period: str = "lifetime", scope: str = "task") -> Any:
    return books.run(SetBudget(ORG, scope, scope_id, "usd", period, amount, "owner"))


def control(books: Books, scope_id: str, scope: str = "task", **fields: Any) -> Any:
    return books.run(SetControls(ORG, scope, scope_id, fields, "owner"))


def verdict(asked: Any) -> list[str]:
    decision = json.loads(asked.purchase.decision)
    return [decision["verdict"], *(f"{r['code']} {r.get('scope')}" for r in decision["reasons"])]


OVER = ["declined", "BUDGET_EXCEEDED task"]


def test_every_task_has_the_limit_for_itself(books: Books) -> None:
    limit(books, EVERY, 10_000)
    assert verdict(books.ask(6_000, "A", task="trip")) == ["approved"]
    assert verdict(books.ask(6_000, "B", task="trip")) == OVER
    assert verdict(books.ask(4_000, "C", task="trip")) == ["approved"]
    assert verdict(books.ask(10_000, "D", task="other")) == ["approved"]
    assert verdict(books.ask(10_001, "E", task="third")) == OVER
    all_is_well(books)


def test_an_ask_without_a_task_is_no_way_around_the_limit(books: Books) -> None:
    limit(books, EVERY, 10_000)
    assert verdict(books.ask(10_001, "A")) == OVER
    assert verdict(books.ask(10_000, "B")) == ["approved"]
    assert verdict(books.ask(1, "C")) == OVER
    # What named none takes nothing from one that is named.
    assert verdict(books.ask(10_000, "D", task="trip")) == ["approved"]
    all_is_well(books)


def test_tasks_alone_are_no_budget(books: Books) -> None:
    """An agent names its tasks itself: what limits each of them limits nothing where no level above does."""
    limit(books, AGENT, None, "month", "agent")
    before = verdict(books.ask(1_000, "A", task="trip"))
    limit(books, EVERY, 10_000)
    limit(books, ONE, 10_000)
    for task in ("trip", "other", None):
        assert verdict(books.ask(1_000, "A", task=task)) == before == ["declined", "BUDGET_EXCEEDED None"]


def test_a_task_under_way_follows_the_limit_for_every_task(books: Books) -> None:
    limit(books, EVERY, 10_000)
    books.ask(5_000, "A", task="trip")
    assert books.row(Budget, scope_id=ONE).limit_amount is None
    limit(books, EVERY, 5_000)
    assert verdict(books.ask(1, "B", task="trip")) == OVER
    limit(books, EVERY, 5_001)
    assert verdict(books.ask(1, "C", task="trip")) == ["approved"]
    limit(books, EVERY, None)
    assert verdict(books.ask(20_000, "D", task="trip")) == ["approved"]
    all_is_well(books)


def test_a_task_near_its_end_is_told_of(books: Books) -> None:
    limit(books, EVERY, 10_000)
    books.ask(8_000, "A", task="trip")
    books.ask(2_000, "B", task="trip")
    told = [row for row in books.rows(AuditRecord) if row.action.startswith("budget.") and row.action != "budget.set"]
    said = [(row.action, json.loads(row.body)) for row in told]
    assert [(action, b["scope_id"], b["limit"], b["used"]) for action, b in said] == [
        ("budget.warning", ONE, 10_000, 8_000), ("budget.exhausted", ONE, 10_000, 10_000),
    ]  # fmt: skip


LIMITS = [
    ("its own is smaller", 4_000, 10_000, 4_000),
    ("the one for every task is smaller", 10_000, 4_000, 4_000),
    ("only its own", 4_000, None, 4_000),
    ("only the one for every task", None, 4_000, 4_000),
    ("its own is zero", 0, 4_000, 0),
]


@pytest.mark.parametrize("line", LIMITS, ids=[line[0] for line in LIMITS])
def test_the_smaller_limit_counts(line: tuple[str, int | None, int | None, int], books: Books) -> None:
    _, own, every, most = line
    limit(books, EVERY, every)
    limit(books, ONE, own)
    assert verdict(books.ask(most + 1, "A", task="trip")) == OVER
    assert verdict(books.ask(most or 1, "B", task="trip")) == (["approved"] if most else OVER)


def test_what_is_paid_for_a_task_counts_in_its_budget(books: Books) -> None:
    limit(books, EVERY, 10_000)
    purchase = books.ready(8_000, task="trip")
    assert books.authorize(purchase, 8_000).approved
    budget = books.row(Budget, scope_id=ONE)
    assert [(row.held, row.spent) for row in books.rows(BudgetPeriod, budget_id=budget.id)] == [(8_000, 0)]
    all_is_well(books)


def test_a_higher_price_must_fit_into_the_task_as_well(books: Books) -> None:
    limit(books, EVERY, 10_000)
    purchase = books.ready(8_000, task="trip")
    dear = books.run(RaisePurchase(ORG, purchase, AGENT, 10_001, RaiseIds("hold_9", "apr_9", "out_9")))
    assert isinstance(dear, Refusal)
    assert dear.code == "raise_declined"
    raised = books.run(RaisePurchase(ORG, purchase, AGENT, 10_000, RaiseIds("hold_8", "apr_8", "out_8")))
    assert raised.purchase.held == 10_000
    all_is_well(books)


def test_each_payment_of_a_mandate_must_fit_into_its_task(books: Books) -> None:
    """Also into a limit that was set after the ask, which the next payment is the first to draw on."""
    limit(books, EVERY, 15_000)
    purchase = books.ready(10_000, task="trip", recurring=Recurring("month", 3))
    assert books.authorize(purchase, 10_000).approved
    books.clock.advance(30 * 86_400)
    short = books.authorize(purchase, 10_000, authorization_id="iauth_2")
    assert (short.approved, short.code) == (False, "OVER_BUDGET")
    limit(books, EVERY, 20_000)
    limit(books, EVERY, 10_000, "day")
    assert books.authorize(purchase, 10_000, authorization_id="iauth_3").approved
    used = {
        budget.period: sum(row.held + row.spent for row in books.rows(BudgetPeriod, budget_id=budget.id))
        for budget in books.rows(Budget, scope_id=ONE)
    }
    assert used == {"lifetime": 20_000, "day": 10_000}
    assert verdict(books.ask(1, "B", task="trip"))[1:] == ["BUDGET_EXCEEDED task"] * 2
    all_is_well(books)


def test_the_rules_of_a_task_count_when_the_network_asks(books: Books) -> None:
    purchase = books.ready(1_000, task="trip")
    control(books, ONE, blocked_countries=["US"])
    answer = books.authorize(purchase, 1_000)
    assert (answer.approved, answer.code) == (False, "COUNTRY_MISMATCH")


def test_a_change_is_audited_with_before_and_after(books: Books) -> None:
    limit(books, EVERY, 10_000)
    limit(books, EVERY, 20_000)
    control(books, ONE, purchase_limit=1)
    control(books, ONE, purchase_limit=2)
    said = [json.loads(row.body) for row in books.rows(AuditRecord)]
    assert [(b["scope_id"], b["before"], b["after"]) for b in said] == [
        (EVERY, None, 10_000), (EVERY, 10_000, 20_000),
        (ONE, {}, {"purchase_limit": 1}), (ONE, {"purchase_limit": 1}, {"purchase_limit": 2}),
    ]  # fmt: skip


def test_a_decision_keeps_the_versions_it_followed(books: Books) -> None:
    for amount in (1, 10_000):
        control(books, EVERY, purchase_limit=amount)
    control(books, AGENT, "agent", velocity_count=9)
    limit(books, EVERY, 20_000)
    inputs = json.loads(books.ask(8_000, task="trip").purchase.decision)["inputs"]
    assert inputs["control_versions"] == {EVERY: 2, AGENT: 1}
    assert [(level["scope"], level["controls"]) for level in inputs["controls"]] == [
        ("task", {"purchase_limit": 10_000}), ("agent", {"velocity_count": 9}),
    ]  # fmt: skip
    assert (inputs["at"], inputs["ask"]["task_id"], inputs["connection"]["approves"]) == (books.clock(), "trip", True)
    assert [(b["scope_id"], b["limit"], b["held"]) for b in inputs["budgets"]] == [
        (ONE, 20_000, 0), (AGENT, 500_000, 0),
    ]  # fmt: skip
    kept = [(row.scope_id, row.version, row.fields, row.actor) for row in books.rows(ControlVersion)]
    assert sorted(kept) == sorted([
        (EVERY, 1, '{"purchase_limit": 1}', "owner"), (EVERY, 2, '{"purchase_limit": 10000}', "owner"),
        (AGENT, 1, '{"velocity_count": 9}', "owner"),
    ])  # fmt: skip


@pytest.mark.parametrize("scope_id", ["agt_none:trip", f"{PROJECT}:trip", ORG, AGENT, f"{AGENT}:", ":trip", ""])
def test_a_task_belongs_to_an_agent_there_is(scope_id: str, books: Books) -> None:
    before = len(books.rows(AuditRecord))
    for answer in (limit(books, scope_id, 1), control(books, scope_id, purchase_limit=1)):
        assert isinstance(answer, Refusal)
        assert answer.code in ("not_found", "invalid")
    # An agent is no task, and the other way round.
    assert isinstance(limit(books, ONE, 1, scope="agent"), Refusal)
    assert len(books.rows(AuditRecord)) == before
    assert books.rows(Control) == []


def test_the_name_for_every_task_is_no_task(books: Books) -> None:
    answer = books.ask(task="*")
    assert isinstance(answer, Refusal)
    assert (answer.status, answer.field) == (422, "task_id")
    assert books.rows(Purchase) == []


def test_two_agents_do_not_share_a_task_of_one_name(books: Books) -> None:
    limit(books, EVERY, 10_000)
    agent = books.ask_command(10_000, task="trip").chain
    other = agent._replace(agent_id="agt_2")
    assert agent.task_scope != other.task_scope
    assert agent.envelope != other.envelope


@pytest.mark.parametrize("seed", range(3))
def test_many_at_once_never_pass_the_limit_of_their_task(seed: int, tmp_path: Path, database_url: str | None) -> None:
    """P1: no hold beyond the limit, also where the first of them makes the budgets of the task."""
    with open_books(tmp_path, database_url) as books:
        limit(books, EVERY, 50_000)
        found = at_once(
            [
                lambda n=n: books.ask(10_000, f"Shop {n}", task=("trip", "other")[(n + seed) % 2])  # type: ignore[misc]
                for n in range(32)
            ]
        )
        by_task = [[a.purchase.status for a in found if a.purchase.task_id == task] for task in ("trip", "other")]
        assert [(states.count("issuing"), states.count("declined")) for states in by_task] == [(5, 11), (5, 11)]
        for task in ("trip", "other"):
            budget = books.row(Budget, scope_id=f"{AGENT}:{task}")
            assert [(row.held, row.spent) for row in books.rows(BudgetPeriod, budget_id=budget.id)] == [(50_000, 0)]
        all_is_well(books)


def test_the_same_in_one_batch_with_a_new_limit_between(tmp_path: Path, database_url: str | None) -> None:
    with open_books(tmp_path, database_url) as books:
        limit(books, EVERY, 50_000)
        asks = [books.ask_command(10_000, f"Shop {n}", task="trip") for n in range(8)]
        with held(books.till):
            first = [books.till.enqueue(ask, None, None) for ask in asks[:4]]
            change = books.till.enqueue(SetBudget(ORG, "task", EVERY, "usd", "lifetime", 30_000, "owner"), None, None)
            rest = [books.till.enqueue(ask, None, None) for ask in asks[4:]]
        states = [ticket.future.result().purchase.status for ticket in (*first, *rest)]
        assert change.future.result().limit_amount == 30_000
        assert states == ["issuing"] * 4 + ["declined"] * 4
        all_is_well(books)


def test_the_first_limit_of_every_task_comes_with_the_asks_it_limits(tmp_path: Path, database_url: str | None) -> None:
    """None of its budgets had a row when the facts of the batch were loaded."""
    with open_books(tmp_path, database_url) as books:
        asks = [books.ask_command(10_000, f"Shop {n}", task="trip") for n in range(3)]
        with held(books.till):
            first = books.till.enqueue(asks[0], None, None)
            change = books.till.enqueue(SetBudget(ORG, "task", EVERY, "usd", "day", 15_000, "owner"), None, None)
            rest = [books.till.enqueue(ask, None, None) for ask in asks[1:]]
        assert change.future.result().limit_amount == 15_000
        states = [ticket.future.result().purchase.status for ticket in (first, *rest)]
        assert states == ["issuing", "issuing", "declined"]
        assert verdict(books.ask(5_001, "Shop", task="trip")) == OVER
        all_is_well(books)


def test_what_is_left_of_a_task_is_told_before_it_has_begun(tmp_path: Path, database_url: str | None) -> None:
    with open_books(tmp_path, database_url) as books:
        limit(books, EVERY, 10_000)
        limit(books, ONE, 4_000)
        above = books.ask_command(task="trip").chain

        def left(task: str | None) -> list[tuple[str, int | None, int]]:
            found = standings_above(books.database, above._replace(task_id=task), (), books.clock())
            return [(b.scope_id, b.limit_amount, p.held) for b, p in found if b.scope == "task" and b.limit_amount]

        assert left("trip") == [(ONE, 4_000, 0)]
        assert left("new") == [(f"{AGENT}:new", 10_000, 0)]
        assert left(None) == [(EVERY, 10_000, 0)]
        books.ask(3_000, task="trip")
        books.ask(2_000)
        assert (left("trip"), left(None)) == ([(ONE, 4_000, 3_000)], [(EVERY, 10_000, 2_000)])


def test_a_new_task_counts_as_a_change_of_the_rules_once(books: Books) -> None:
    """Its first hold writes its budgets, which every process must see; later ones write nothing more."""
    limit(books, EVERY, 10_000)
    versions = []
    for number in range(3):
        books.ask(1_000, f"Shop {number}", task="trip")
        versions.append(books.row(Organization, id=ORG).config_version)
    assert versions[0] == versions[1] == versions[2]
    assert len(books.rows(Budget, scope_id=ONE)) == 1
