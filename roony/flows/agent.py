"""Projects and agents changed after they were made: what people call them, and where an agent belongs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from roony.core.agent import Agent, Project
from roony.core.errors import Refusal, not_found
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


@dataclass(frozen=True, slots=True)
class UpdateProject(Command[Project | Refusal]):
    """Renames a project."""

    organization_id: str
    project_id: str
    name: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The project."""
        return Needs(rows=((Project, self.organization_id, self.project_id),))

    def apply(self, book: Book, now: int) -> Project | Refusal:
        """The same name again changes nothing and is not recorded."""
        before = book.get(Project, self.organization_id, self.project_id)
        if before is None:
            return not_found("project", self.project_id)
        after = before._replace(name=self.name)
        if after == before:
            return before
        book.put(after)
        body = {"before": {"name": before.name}, "after": {"name": after.name}}
        book.record(self.organization_id, self.actor, "project.updated", after.id, body, now)
        return after


@dataclass(frozen=True, slots=True)
class UpdateAgent(Command[Agent | Refusal]):
    """Changes an agent; None leaves a thing as it is. `project_ids` are all projects that it may name beside its own.

    Purchases stay in the project they were asked for, with their holds, their rules and their freezes.
    """

    can_wait = True

    organization_id: str
    agent_id: str
    actor: str
    name: str | None = None
    description: str | None = None
    project_id: str | None = None
    project_ids: tuple[str, ...] | None = None

    def needs(self, now: int) -> Needs:
        """The agent, and the projects it is given."""
        projects = dict.fromkeys([id for _, id in self._named()])
        rows = tuple((Project, self.organization_id, id) for id in projects)
        return Needs(rows=((Agent, self.organization_id, self.agent_id), *rows))

    def _named(self) -> list[tuple[str, str]]:
        """The projects named, with the field that names them."""
        first = [("project_id", self.project_id)] if self.project_id is not None else []
        return [*first, *(("project_ids", id) for id in self.project_ids or ())]

    def apply(self, book: Book, now: int) -> Agent | Refusal:
        """1 the projects are there · 2 one moved away from is not named any more, unless `project_ids` has it."""
        before = book.get(Agent, self.organization_id, self.agent_id)
        if before is None:
            return not_found("agent", self.agent_id)
        for name, id in self._named():
            if book.get(Project, self.organization_id, id) is None:
                return not_found("project", id, name)
        own = self.project_id or before.project_id
        more = self.project_ids
        if more is None:
            more = tuple(id for id in json.loads(before.project_ids) if id != before.project_id)
        after = before._replace(
            name=before.name if self.name is None else self.name,
            description=before.description if self.description is None else self.description,
            project_id=own,
            project_ids=json.dumps(list(dict.fromkeys((own, *more)))),
        )
        if _settings(after) == _settings(before):
            return before
        book.put(after)
        body = {"before": _settings(before), "after": _settings(after)}
        book.record(self.organization_id, self.actor, "agent.updated", after.id, body, now)
        return after


def _settings(agent: Agent) -> dict[str, Any]:
    """What can be changed of an agent; its own project is always one it may name."""
    return {
        "name": agent.name,
        "description": agent.description,
        "project": agent.project_id,
        "projects": list(dict.fromkeys((agent.project_id, *json.loads(agent.project_ids)))),
    }
