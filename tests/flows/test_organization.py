"""Organizations, projects, agents, limits and keys as commands: what is written, what is refused, what is audited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.agent import Agent, Organization, Project
from roony.core.audit import AuditRecord, verify
from roony.core.budget import PERIODS, Budget
from roony.core.control import Control
from roony.core.errors import Refusal
from roony.core.hashing import text_hash
from roony.core.settlement import Discrepancy
from roony.flows.access_key import CreateAccessKey, RevokeAccessKey, new_key
from roony.flows.limits import Limit, SetBudget, SetControls
from roony.flows.organization import (
    CreateAgent,
    CreateProject,
    NewOrganization,
    UpdateOrganization,
    create_organization,
)
from roony.flows.resolution import ReplayEvent, ResolveDiscrepancy
from roony.store.inbox import new_event
from roony.store.rows import AccessKey
from tests.support.books import AGENT, NOW, ORG, PROJECT, Books


def create(books: Books, **more: Any) -> Any:
    """Makes an organization called org_new."""
    given: dict[str, Any] = {"id": "org_new", "name": "New", "project_id": "prj_new", "actor": "usr_1", **more}
    return books.till.write_and_wait(create_organization(NewOrganization(**given), books.clock()))


def new_agent(id: str = "agt_new", **more: Any) -> CreateAgent:
    """A command that makes an agent."""
    given: dict[str, Any] = {
        "organization_id": ORG, "agent_id": id, "project_id": PROJECT, "name": "New", "description": "",
        "key": new_key("agent", f"key_{id}", "first"), "actor": "key_owner", **more,
    }  # fmt: skip
    return CreateAgent(**given)


def records(books: Books, organization_id: str = ORG) -> list[AuditRecord]:
    """The chain, which must verify up to its head."""
    found: list[AuditRecord] = books.rows(AuditRecord, organization_id=organization_id)
    organization = books.row(Organization, id=organization_id)
    assert verify(found, (organization.audit_sequence, organization.audit_hash)) is None
    return found


def test_an_organization_is_made_whole_in_one_commit(books: Books) -> None:
    key = new_key("admin", "key_1", "owner")
    made = create(
        books, budgets=(Limit("month", "usd", 500_000),), controls={"purchase_limit": 50_000}, delivery="raw",
        time_zone="Europe/Prague", admin_key=key,
    )  # fmt: skip
    assert isinstance(made, Organization)
    assert books.row(Organization, id="org_new") == made
    assert books.row(Project, organization_id="org_new").id == "prj_new"
    budgets = books.rows(Budget, organization_id="org_new")
    assert sorted((row.scope, row.period, row.limit_amount) for row in budgets) == sorted(
        (scope, period, 500_000 if (scope, period) == ("organization", "month") else None)
        for scope in ("organization", "project")
        for period in PERIODS
    )
    assert {row.time_zone for row in budgets} == {"Europe/Prague"}
    assert json.loads(books.row(Control, organization_id="org_new").fields) == {"purchase_limit": 50_000}
    kept = books.row(AccessKey, id="key_1")
    assert (kept.hash, kept.kind, kept.agent_id) == (text_hash(key.text), "admin", None)
    [record] = records(books, "org_new")
    assert (record.action, record.actor) == ("organization.created", "usr_1")
    assert key.text not in record.body


def test_making_an_organization_twice_changes_nothing(books: Books) -> None:
    first = create(books)
    assert create(books, name="Other", delivery="raw") == first
    assert len(records(books, "org_new")) == 1


def test_the_chain_of_a_new_organization_goes_on(books: Books) -> None:
    create(books)
    books.run(CreateProject("org_new", "prj_2", "Two", "usr_1"))
    assert [record.action for record in records(books, "org_new")] == ["organization.created", "project.created"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"currency": "jpy"}, "currency"), ({"time_zone": "Mars/Base"}, "time_zone"), ({"delivery": "x"}, "delivery"),
        ({"unknown_cards": "x"}, "unknown_cards"), ({"controls": {"x": 1}}, "controls.x"),
        ({"budgets": (Limit("year", "usd", 1),)}, "budgets.0.period"),
        ({"budgets": (Limit("day", "usd", -1),)}, "budgets.0.limit"),
        ({"budgets": (Limit("day", "xxx", 1),)}, "budgets.0.currency"),
        ({"budgets": (Limit("day", "usd", 1), Limit("day", "usd", 2))}, "budgets.1"),
    ],
)  # fmt: skip
def test_an_organization_that_cannot_be_leaves_no_row(books: Books, more: dict[str, Any], field: str) -> None:
    refused = create(books, **more)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.field) == (422, field)
    assert books.rows(Organization, id="org_new") == []
    assert books.rows(Budget, organization_id="org_new") == []


def test_an_agent_has_four_budgets_and_a_key(books: Books) -> None:
    command = new_agent(budgets=(Limit("day", "usd", 5),), controls={"velocity_count": 3}, project_ids=(PROJECT,))
    made = books.run(command)
    assert isinstance(made, Agent)
    assert json.loads(made.project_ids) == [PROJECT]
    rows = books.rows(Budget, scope_id="agt_new")
    assert {row.period: row.limit_amount for row in rows} == {"day": 5, "week": None, "month": None, "lifetime": None}
    assert books.row(AccessKey, agent_id="agt_new").hash == text_hash(command.key.text)
    assert records(books)[-1].action == "agent.created"
    assert books.run(command).code == "already_exists"


def test_a_new_agent_can_buy_in_the_next_batch(books: Books) -> None:
    """The organization's configuration version is renewed, so nothing kept in memory is too old."""
    before = books.row(Organization, id=ORG).config_version
    books.run(new_agent())
    assert books.row(Organization, id=ORG).config_version != before


@pytest.mark.parametrize(
    ("more", "field"),
    [({"project_id": "prj_no"}, "project_id"), ({"project_ids": ("prj_no",)}, "project_ids"),
     ({"controls": {"purchase_limit": -1}}, "controls.purchase_limit"),
     ({"budgets": (Limit("day", "usd", 10**12),)}, "budgets.0.limit")],
)  # fmt: skip
def test_an_agent_that_cannot_be_leaves_no_row(books: Books, more: dict[str, Any], field: str) -> None:
    refused = books.run(new_agent(**more))
    assert (refused.status, refused.field) == (404 if field.startswith("project_id") else 422, field)
    assert books.rows(Agent, id="agt_new") == []
    assert books.rows(AccessKey) == []
    assert records(books) == []


def test_a_budget_is_set_where_it_was_tracked(books: Books) -> None:
    made = books.run(SetBudget(ORG, "organization", ORG, "usd", "day", 1_000, "key_owner"))
    assert made.id == "bud_organization_day"
    assert books.ask(1_001).purchase.status == "declined"
    assert books.ask(1_000).purchase.status == "issuing"
    # Granted holds stay good under a smaller limit.
    books.run(SetBudget(ORG, "organization", ORG, "usd", "day", 10, "key_owner"))
    assert books.ask(1).purchase.status == "declined"
    bodies = [json.loads(record.body) for record in records(books) if record.action == "budget.set"]
    assert [(body["before"], body["after"]) for body in bodies] == [(None, 1_000), (1_000, 10)]
    count = len(records(books))
    books.run(SetBudget(ORG, "organization", ORG, "usd", "day", 10, "key_owner"))
    assert len(records(books)) == count


def test_a_budget_in_another_currency_makes_its_four_rows_once(books: Books) -> None:
    for period, limit in (("day", 5), ("week", 6)):
        books.run(SetBudget(ORG, "agent", AGENT, "eur", period, limit, "key_owner"))
    rows = books.rows(Budget, scope_id=AGENT, currency="eur")
    assert {row.period: row.limit_amount for row in rows} == {"day": 5, "week": 6, "month": None, "lifetime": None}


def test_two_budgets_set_in_one_batch_do_not_lose_each_other(books: Books) -> None:
    """Both find that no row is there yet; the second one must see what the first one made."""
    commands = [SetBudget(ORG, "agent", AGENT, "eur", period, 7, "key_owner") for period in ("day", "week")]
    tickets = [books.till.enqueue(command, None, None) for command in commands]
    for ticket in tickets:
        ticket.future.result(60)
    rows = books.rows(Budget, scope_id=AGENT, currency="eur")
    assert {row.period: row.limit_amount for row in rows} == {"day": 7, "week": 7, "month": None, "lifetime": None}


@pytest.mark.parametrize(
    ("scope", "scope_id", "status"),
    [("agent", "agt_no", 404), ("project", AGENT, 404), ("organization", "org_2", 404), ("task", "x", 422)],
)
def test_limits_need_a_scope_that_is_there(books: Books, scope: str, scope_id: str, status: int) -> None:
    assert books.run(SetBudget(ORG, scope, scope_id, "usd", "day", 1, "k")).status == status
    assert books.run(SetControls(ORG, scope, scope_id, {}, "k")).status == status
    assert records(books) == []


@pytest.mark.parametrize(("currency", "period", "limit"), [("xxx", "day", 1), ("usd", "year", 1), ("usd", "day", -1)])
def test_a_budget_that_cannot_be_is_refused(books: Books, currency: str, period: str, limit: int) -> None:
    refused = books.run(SetBudget(ORG, "agent", AGENT, currency, period, limit, "k"))
    assert refused.status == 422
    assert "." not in refused.field


def test_controls_bind_the_next_ask(books: Books) -> None:
    assert books.ask(5_000).purchase.status == "issuing"
    control = books.run(SetControls(ORG, "project", PROJECT, {"purchase_limit": 4_000, "delivery": None}, "key_owner"))
    assert (control.version, json.loads(control.fields)) == (1, {"purchase_limit": 4_000})
    assert books.ask(4_001, "Other").purchase.status == "declined"
    assert books.run(SetControls(ORG, "project", PROJECT, {}, "key_owner")).version == 2
    assert books.ask(4_001, "Third").purchase.status == "issuing"


def test_controls_that_cannot_be_change_nothing(books: Books) -> None:
    books.run(SetControls(ORG, "agent", AGENT, {"purchase_limit": 1}, "k"))
    refused = books.run(SetControls(ORG, "agent", AGENT, {"purchase_limit": 2, "velocity_count": "many"}, "k"))
    assert (refused.status, refused.field) == (422, "controls.velocity_count")
    assert json.loads(books.row(Control, scope_id=AGENT).fields) == {"purchase_limit": 1}


def test_settings_are_checked_and_audited(books: Books) -> None:
    before = books.row(Organization, id=ORG)
    after = books.run(UpdateOrganization(ORG, "key_owner", name="Renamed", unbudgeted=True))
    assert (after.name, after.unbudgeted, after.delivery) == ("Renamed", 1, before.delivery)
    kept = books.row(Organization, id=ORG)
    assert (kept.name, kept.config_version != before.config_version) == ("Renamed", True)
    assert books.run(UpdateOrganization(ORG, "key_owner", delivery="x")).field == "delivery"
    assert books.run(UpdateOrganization(ORG, "key_owner", unknown_cards="x")).field == "unknown_cards"
    books.run(UpdateOrganization(ORG, "key_owner", name="Renamed"))
    assert [record.action for record in records(books)] == ["organization.updated"]


def test_keys_belong_to_whom_they_say(books: Books) -> None:
    agent_key, admin_key = new_key("agent", "key_a", "x"), new_key("admin", "key_b", "x")
    assert books.run(CreateAccessKey(ORG, agent_key, "k")).field == "kind"
    assert books.run(CreateAccessKey(ORG, admin_key, "k", AGENT)).field == "kind"
    assert books.run(CreateAccessKey(ORG, agent_key, "k", "agt_no")).status == 404
    row = books.run(CreateAccessKey(ORG, agent_key, "k", AGENT))
    assert agent_key.text.startswith(row.prefix)
    assert len(agent_key.text) - len(row.prefix) > 40
    assert books.run(RevokeAccessKey(ORG, row._replace(hash="nohash"), "k")).status == 404
    create(books)
    assert books.run(RevokeAccessKey("org_new", row, "k")).status == 404
    assert books.row(AccessKey, id="key_a").revoked_at is None
    assert books.run(RevokeAccessKey(ORG, row, "k")).revoked_at == NOW
    assert [record.action for record in records(books)] == ["access_key.created", "access_key.revoked"]


def test_what_is_not_there_cannot_be_settled(books: Books) -> None:
    assert books.run(ResolveDiscrepancy(ORG, "dis_no", "k", "x")).status == 404
    # Its caller has seen the event: one that is not there any more was archived since.
    assert books.run(ReplayEvent(ORG, "evt_no", "k")).status == 409
    books.put(
        Discrepancy("org_new", "dis_1", "unknown_card", "open", None, None, "ic_1", "", "", None, None, NOW, None),
        new_event("evt_1", None, False, "x", None, NOW // 1_000_000, b"{}", NOW)._replace(
            organization_id="org_new", status="dead"
        ),
    )
    assert books.run(ResolveDiscrepancy(ORG, "dis_1", "k", "x")).status == 404
    assert books.run(ReplayEvent(ORG, "evt_1", "k")).status == 404
