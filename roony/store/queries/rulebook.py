"""The controls and budgets of every scope of an organization."""

from __future__ import annotations

from sqlalchemy import Table, select

from roony.core.agent import ENVELOPE, Agent, Organization, Project, task_of
from roony.core.budget import Budget
from roony.core.control import Control
from roony.core.rulebook import Rulebook, ScopeRules, rules_of
from roony.store.database import Database
from roony.store.tables import agents, budgets, controls, organizations, projects

# Rows of each kind; whoever has more sets rules scope by scope.
MAX_ROWS = 20_000


def read_rulebook(database: Database, organization_id: str) -> Rulebook | None:
    """The rules as they are now; None where there are too many to be one document."""
    # Each in a read of its own. Whose rules were read is there in the next read: agents and projects are never deleted.
    tables: list[tuple[Table, type]] = [(budgets, Budget), (controls, Control), (agents, Agent), (projects, Project)]
    rows: dict[type, list[object]] = {}
    for table, row in tables:
        statement = select(table).where(table.c.organization_id == organization_id)
        if row is Budget:
            statement = statement.where(budgets.c.limit_amount.is_not(None))
        found = database.read(statement.limit(MAX_ROWS + 1))
        if len(found) > MAX_ROWS:
            return None
        rows[row] = [row(*values) for values in found]
    [organization] = database.read(select(organizations).where(organizations.c.id == organization_id))
    return _book(Organization(*organization), *rows.values())  # type: ignore[arg-type]


def _book(
    organization: Organization, budgets: list[Budget], controls: list[Control], agents: list[Agent],
    projects: list[Project],
) -> Rulebook:  # fmt: skip
    control_of = {row.scope_id: row for row in controls}
    budgets_of: dict[str, list[Budget]] = {}
    for row in budgets:
        budgets_of.setdefault(row.scope_id, []).append(row)

    def rules(scope: str, id: str, name: str, project_id: str | None = None) -> ScopeRules:
        return rules_of(scope, id, name, control_of.get(id), budgets_of.get(id, ()), project_id)

    names = {agent.id: agent.name for agent in agents}
    tasks = {}
    for id in {row.scope_id for rows in (controls, budgets) for row in rows if row.scope == "task"}:
        agent_id, task = task_of(id)
        called = "each task" if task == ENVELOPE else f"task {task}"
        tasks[id] = rules("task", id, f"{called} of {names[agent_id]}")
    return Rulebook(
        rules("organization", organization.id, organization.name),
        {row.id: rules("project", row.id, row.name) for row in projects},
        {row.id: rules("agent", row.id, row.name, row.project_id) for row in agents},
        tasks,
    )
