"""The organization's own row, and its first project."""

from __future__ import annotations

from sqlalchemy import select

from roony.core.agent import Organization, Project
from roony.core.audit import INSTALLATION
from roony.core.errors import BrokenCaller
from roony.store.database import Database
from roony.store.tables import organizations, projects


def find_organization(database: Database, organization_id: str) -> Organization:
    """The organization of a caller. Raises BrokenCaller when there is none: a key always belongs to one."""
    rows = database.read(select(organizations).where(organizations.c.id == organization_id))
    if not rows:
        raise BrokenCaller(f"organization {organization_id} does not exist")
    return Organization(*rows[0])


def serves_several(database: Database) -> bool:
    """Whether the installation has more organizations than one, which know nothing of each other."""
    statement = select(organizations.c.id).where(organizations.c.id != INSTALLATION).limit(2)
    return len(database.read(statement)) > 1


def first_project(database: Database, organization_id: str) -> Project | None:
    """The organization's oldest project: where an agent goes when nobody says where."""
    statement = select(projects).where(projects.c.organization_id == organization_id)
    rows = database.read(statement.order_by(projects.c.created_at, projects.c.id).limit(1))
    return Project(*rows[0]) if rows else None
