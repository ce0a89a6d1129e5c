"""What `/metrics` says of the database: what is open and waiting, looked at seldom, and left out while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from roony.core.alert import Alert
from roony.core.audit import INSTALLATION
from roony.core.budget import Budget, BudgetPeriod, budget_id, period_start
from roony.core.settlement import Discrepancy
from roony.flows.checkpoint import sign_now
from roony.flows.context import FlowContext
from roony.store.queries.gauges import BUDGETS_A_PAGE
from roony.store.rows import InboxEvent, OutboxPromise
from roony.web import figures
from roony.web.figures import BudgetSweep, FiguresReader
from tests.support.plans import Listener
from tests.support.postgres import books_database
from tests.support.serving import Company, ServedRoony, serve

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scrape looks anew."""
    monkeypatch.setattr(figures, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(figures, "BUDGET_SECONDS", 0.0)


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Iterator[ServedRoony]:
    """A Roony with no organizations but a test's own."""
    with books_database(backend) as url, serve(tmp_path_factory.mktemp("own"), database_url=url) as served:
        yield served


def look(roony: ServedRoony) -> dict[str, float]:
    """The figures without a token, each by its name and its labels."""
    text = roony.caller().call("GET", "/metrics").text
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def event(company: Company | None, id: str, status: str, at: int) -> InboxEvent:
    """A Stripe event in some state of its handling."""
    org = company.id if company is not None else None
    kind = "issuing_transaction.created"
    return InboxEvent(
        id, "acct_x", 0, kind, org, None, status, None, 0, at + DAY, 0, 0, at // 1_000_000, at, None, b"{}"
    )


def promise(company: Company, id: str, status: str, at: int) -> OutboxPromise:
    """Work that was promised."""
    return OutboxPromise(company.id, id, "nothing", "x", "{}", id, 1, status, 0, at + DAY, 0, 0, None, at, None)


def test_what_waits_is_counted_and_how_long_the_oldest_does(roony: ServedRoony, company: Company) -> None:
    now, before = roony.context.clock(), look(roony)
    assert (before["roony_inbox_oldest_seconds"], before["roony_outbox_oldest_seconds"]) == (0, 0)
    roony.books.put(
        event(None, "evt_new", "received", now - MINUTE), event(company, "evt_bad", "failed", now - 3 * MINUTE),
        event(None, "evt_dead", "dead", now - DAY), event(company, "evt_dead_2", "dead", now - DAY),
        event(company, "evt_done", "applied", now - DAY),
        promise(company, "out_1", "promised", now - 2 * MINUTE), promise(company, "out_2", "kept", now - DAY),
    )  # fmt: skip
    after = look(roony)
    assert after["roony_inbox_waiting"] == before["roony_inbox_waiting"] + 2
    assert 180 <= after["roony_inbox_oldest_seconds"] < 240
    assert after["roony_inbox_dead"] == before["roony_inbox_dead"] + 2
    assert after["roony_outbox_waiting"] == before["roony_outbox_waiting"] + 1
    assert 120 <= after["roony_outbox_oldest_seconds"] < 180


def test_what_is_open_is_counted_over_all_organizations(roony: ServedRoony) -> None:
    one, other = roony.company(), roony.company()
    before, now, new_id = look(roony), roony.context.clock(), roony.context.new_id
    for company in (one, other):
        for status in ("open", "open", "resolved"):
            roony.books.put(
                Discrepancy(
                    company.id, new_id("dis"), "late_capture", status, None, None, "x", "", "", None, None, now, None
                ),
                Alert(company.id, new_id("alt"), "x", "x", status, "", 1, None, now, now, None),
            )
    after = look(roony)
    for name in ("roony_discrepancies_open", "roony_alerts_open"):
        assert after[name] == before[name] + 4
    assert after["roony_approvals_waiting"] == before["roony_approvals_waiting"]
    assert one.id not in str(after)


def test_records_that_are_not_signed_are_counted_and_how_long_the_oldest_waits(
    own: ServedRoony,
) -> None:
    """Of all chains, the installation's too; of a chain that is signed up to its end nothing."""
    company, other = own.company(), own.company()
    for place in range(3):
        company.owner.send("POST", "/api/v1/admin/projects", {"name": f"Project {place}"}, 201)
    # One of each chain's beginning, and the three.
    assert look(own)["roony_audit_unsigned_records"] == 5
    own.books.clock.advance(180)
    assert look(own)["roony_audit_unsigned_oldest_seconds"] == 180

    for each in (company, other):
        each.owner.send("POST", "/api/v1/admin/audit/checkpoints")
    # The first signature made a key, which is on record in the installation's chain.
    assert look(own)["roony_audit_unsigned_records"] == 1
    asyncio.run(sign_now(own.context, INSTALLATION))
    signed = look(own)
    assert (signed["roony_audit_unsigned_records"], signed["roony_audit_unsigned_oldest_seconds"]) == (0, 0)
    other.owner.send("POST", "/api/v1/admin/projects", {"name": "Another"}, 201)
    assert look(own)["roony_audit_unsigned_records"] == 1


def fresh(row: type[Any], **known: Any) -> Any:
    """A row of which only this is looked at: the rest is as empty as its type lets it be."""
    empty = {"int": 0, "str": "", "bytes": b""}
    return row(**{name: known.get(name, empty.get(kind)) for name, kind in row.__annotations__.items()})


def test_a_budget_counts_by_what_is_used_of_its_limit_now(roony: ServedRoony, company: Company) -> None:
    before, now = look(roony), roony.context.clock()
    # Scope, limit, held, spent, and how many days ago its period began.
    for place, (scope, limit, held, spent, ago) in enumerate([
        ("agent", 1_000, 300, 500, 0), ("agent", 1_000, 0, 1_000, 0), ("agent", 1_000, 1_000, 0, 40),
        ("project", 1_000, 490, 0, 0), ("project", None, 9_999, 0, 0), ("organization", 0, 10, 0, 0),
    ]):  # fmt: skip
        id = budget_id(company.id, f"{scope}{place}", "usd", "month")
        start = period_start("month", "UTC", now - ago * DAY)
        roony.books.put(
            Budget(company.id, id, scope, f"{scope}{place}", "usd", "month", "UTC", limit, now),
            BudgetPeriod(company.id, id, start, held, spent),
        )
    after = look(roony)
    grown = {
        name.removeprefix("roony_budgets "): number - before[name]
        for name, number in after.items()
        if name.startswith("roony_budgets ") and number != before[name]
    }
    assert grown == {"agent 0.5": 2, "agent 0.8": 2, "agent 0.95": 1, "agent 1.0": 1}


def test_many_budgets_are_gone_through_in_pages(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk that does not end in one look goes on in the next; until then the last one counts."""
    before, now, rows = look(roony)["roony_budgets task 1.0"], roony.context.clock(), list[Any]()
    for place in range(2 * BUDGETS_A_PAGE):
        id = budget_id(company.id, f"task{place}", "usd", "lifetime")
        rows.append(Budget(company.id, id, "task", f"task{place}", "usd", "lifetime", "UTC", 10, now))
        rows.append(BudgetPeriod(company.id, id, 0, 0, 10))
    roony.books.put(*rows)
    monkeypatch.setattr(figures, "BUDGET_PAGES", 1)
    sweep = BudgetSweep(roony.context)
    seen = [sweep.step() for _ in range(4)]
    assert seen[:2] == [None, None]
    found = next(one for one in seen if one is not None)
    assert found.used["task", 1.0] == before + 2 * BUDGETS_A_PAGE
    assert found.largest[company.id, "task"] == 1.0


def test_what_cannot_be_read_is_left_out_and_no_zero(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = look(roony)
    assert there["roony_database_answers"] == 1

    def gone(*_: Any) -> Any:
        raise OSError("away")

    monkeypatch.setattr(type(roony.context.database), "read", gone)
    away = look(roony)
    monkeypatch.undo()
    assert away["roony_database_answers"] == 0
    lost = {name.partition(" ")[0] for name in there.keys() - away.keys()}
    assert {"roony_inbox_waiting", "roony_inbox_oldest_seconds", "roony_discrepancies_open", "roony_budgets"} <= lost
    assert not [name for name in lost if name.startswith(("roony_till", "roony_authorization", "process"))]
    assert away["roony_till_commits_total"] >= there["roony_till_commits_total"]


def test_many_scrapers_make_one_look_every_few_seconds(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often somebody asks, and whoever they are."""
    monkeypatch.setattr(figures, "FRESH_SECONDS", 3600.0)

    async def scrape(context: FlowContext) -> list[Any]:
        reader = FiguresReader(context)
        return [*await asyncio.gather(*(reader.now() for _ in range(20))), await reader.now()]

    heard = Listener(roony.context.database)
    first, *others = roony.run(scrape)
    assert first is not None
    assert all(each is first for each in others)
    assert len(heard.statements()) == 10
