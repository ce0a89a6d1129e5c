"""Rows with something in every column, so that a test names only the columns it is about."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from roony.core.agent import Agent, Organization, Project
from roony.core.connection import Connection

Row = TypeVar("Row", bound=NamedTuple)


def row(kind: type[Row], **known: Any) -> Row:
    """A row of this kind: the columns given, and for the others None if they may be, else "" or 0."""
    hints = get_type_hints(kind)
    assert set(known) <= set(hints), f"{kind.__name__} has no column {set(known) - set(hints)}"
    return kind(**{name: known.get(name, _blank(hint)) for name, hint in hints.items()})


def _blank(hint: Any) -> Any:
    if type(None) in get_args(hint):
        return None
    return {str: "", int: 0}[hint]


ORGANIZATION = row(Organization, id="org_1", name="Acme", currency="usd", time_zone="Europe/Prague")
PROJECT = row(Project, organization_id="org_1", id="prj_1")
AGENT = row(Agent, organization_id="org_1", id="agt_1", project_id="prj_1")
CONNECTION = row(Connection, organization_id="org_1", id="con_1", status="active", currency="usd")
