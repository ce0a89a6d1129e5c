"""Names of people, keys, agents and projects by their ids, and the ones a person chooses from."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from roony.core.agent import Agent, Project
from roony.core.user import User
from roony.store.database import Database
from roony.store.rows import AccessKey
from roony.store.tables import TABLE_OF, proposed_changes

# As many as a list to choose from shows.
CHOICES = 200
# By the prefix of the id: whose it is, and the words.
_BY_PREFIX: dict[str, tuple[type, str]] = {
    "agt": (Agent, "{}"), "prj": (Project, "{}"), "usr": (User, "{}"), "key": (AccessKey, "the key “{}”"),
}  # fmt: skip


def names_of(database: Database, organization_id: str, ids: Iterable[str | None]) -> dict[str, str]:
    """By id, what people call each agent, project, user and key of the organization that has a name."""
    wanted = {id for id in ids if id is not None}
    found: dict[str, str] = {}
    for prefix, (row, form) in _BY_PREFIX.items():
        some = [id for id in wanted if id.startswith(f"{prefix}_")]
        if some:
            table = TABLE_OF[row].c
            statement = select(table.id, table.name).where(table.organization_id == organization_id, table.id.in_(some))
            found |= {row.id: form.format(row.name) for row in database.read(statement) if row.name}
    return found


def changes_of_user(database: Database, organization_id: str, user_id: str) -> tuple[str, ...]:
    """The ids of changes of this user that nobody decided, late ones too: they hold what it was to be called."""
    change = proposed_changes.c
    statement = select(change.id).where(
        change.organization_id == organization_id, change.status == "waiting",
        change.change.contains(user_id, autoescape=True),
    )  # fmt: skip
    return tuple(row[0] for row in database.read(statement))


def choices(database: Database, organization_id: str, row: type[Agent | Project]) -> list[tuple[str, str]]:
    """The first CHOICES agents or projects in the order of their names, as (id, name)."""
    table = TABLE_OF[row].c
    statement = select(table.id, table.name).where(table.organization_id == organization_id)
    return [(id, name) for id, name in database.read(statement.order_by(table.name, table.id).limit(CHOICES))]
