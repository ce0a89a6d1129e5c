"""The rulebook: controls and budgets of every scope of an organization as one document, and what another one changes.

A document is `{"organization": {…}, "projects": {NAME: {…}}, "agents": {NAME: {…}}}`; NAME is an id, or a name that
only one has. Each scope may have `version`, `controls` and `budgets` ({currency: {period: limit}}); a project also
`name`, an agent `name`, `project`, `each_task` and `tasks` ({TASK: {…}}). What is not listed, or null, stays as it is;
only a limit that is null is lifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from roony.core.agent import ENVELOPE, task_scope
from roony.core.audit import canonical
from roony.core.budget import Budget
from roony.core.control import Control, InvalidControl, controls_of, dump, parse_controls
from roony.core.hashing import text_hash

Document = dict[str, Any]
Limits = dict[str, dict[str, int]]
_PREFIXES = {"project": "prj", "agent": "agt"}


class ScopeRules(NamedTuple):
    """The rules of one scope as they are. `limits` are minor units by currency and period; `version` says both."""

    scope: str
    scope_id: str
    name: str
    controls: dict[str, Any]
    limits: Limits
    version: str
    project_id: str | None = None


class Rulebook(NamedTuple):
    """All scopes by id; of tasks, as AGENT:TASK, those for which an owner set something."""

    organization: ScopeRules
    projects: dict[str, ScopeRules]
    agents: dict[str, ScopeRules]
    tasks: dict[str, ScopeRules]


class Target(NamedTuple):
    """One scope that a document lists, at `path` in it. `rules` are those of now; of a new one there are none yet.

    `given` is what the document says, `controls` its controls as they are compared; None where it lists none.
    """

    path: str
    rules: ScopeRules
    given: Mapping[str, Any]
    is_new: bool = False
    controls: dict[str, Any] | None = None


class Change(NamedTuple):
    """One field that a document changes; a new project or agent is the field `new`."""

    path: str
    scope: str
    scope_id: str
    name: str
    field: str
    before: Any
    after: Any


class WrongRules(ValueError):
    """A document that cannot be applied here: where in it, and why. `status` is the HTTP status that fits."""

    def __init__(self, path: str, message: str, status: int = 422) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message
        self.status = status


def rules_of(
    scope: str, scope_id: str, name: str, control: Control | None, budgets: Iterable[Budget], project: str | None = None
) -> ScopeRules:
    """The rules of a scope from its rows."""
    budgets = list(budgets)
    limits: Limits = {}
    for budget in sorted(budgets, key=lambda row: (row.currency, row.period)):
        if budget.limit_amount is not None:
            limits.setdefault(budget.currency, {})[budget.period] = budget.limit_amount
    controls = dump(controls_of(control)) if control is not None else {}
    return ScopeRules(scope, scope_id, name, controls, limits, rules_version(control, budgets), project)


def rules_version(control: Control | None, budgets: Iterable[Budget]) -> str:
    """What changes with the rules of a scope: the version of its controls, and a mark of its limits."""
    limits = sorted((row.currency, row.period, row.limit_amount) for row in budgets if row.limit_amount is not None)
    mark = text_hash(canonical(limits))[:8]
    return f"{control.version if control is not None else 0}-{mark}"


def to_document(book: Rulebook) -> Document:
    """All of it; limits that are not set are left out. Controls stand there also where none is set: that is so, too."""
    tasks: dict[str, Document] = {}
    for scope_id, rules in sorted(book.tasks.items()):
        agent_id, _, task = scope_id.partition(":")
        listed = tasks.setdefault(agent_id, {})
        if task == ENVELOPE:
            listed["each_task"] = _shown(rules)
        else:
            listed.setdefault("tasks", {})[task] = _shown(rules)
    return {
        "organization": _shown(book.organization),
        "projects": {id: {"name": rules.name, **_shown(rules)} for id, rules in sorted(book.projects.items())},
        "agents": {
            id: {"name": rules.name, "project": rules.project_id, **_shown(rules), **tasks.get(id, {})}
            for id, rules in sorted(book.agents.items())
        },
    }


def _shown(rules: ScopeRules) -> Document:
    given: Document = {"version": rules.version, "controls": rules.controls}
    return {**given, "budgets": rules.limits} if rules.limits else given


def targets(book: Rulebook, document: Mapping[str, Any], new_id: Callable[[str, str], str]) -> list[Target]:
    """Every scope that a document lists, wider ones first; what it calls by an unknown name is new.

    The document has the shape that the module says; `new_id` gives an id from its prefix and the new name. Raises
    WrongRules for a name that several have or that is there twice, and (404) for an id that nothing has.
    """
    found = []
    if document.get("organization") is not None:
        found.append(_checked(Target("organization", book.organization, document["organization"])))
    projects = list(_named(book.projects, document, "project", new_id))
    found += projects
    called = {**book.projects, **{target.rules.scope_id: target.rules for target in projects}}
    for listed in _named(book.agents, document, "agent", new_id):
        agent = _housed(listed, called)
        found += [agent, *_tasks_of(book, agent)]
    return found


def _named(
    there: dict[str, ScopeRules], document: Mapping[str, Any], scope: str, new_id: Callable[[str, str], str]
) -> Iterator[Target]:
    seen: dict[str, str] = {}
    for name, given in document.get(f"{scope}s", {}).items():
        path = f"{scope}s.{name}"
        rules = _find(there, name, path)
        is_new = rules is None
        if rules is None:
            rules = rules_of(scope, new_id(_PREFIXES[scope], name), name, None, ())
        if rules.scope_id in seen:
            raise WrongRules(path, f"It is the same as {seen[rules.scope_id]}.")
        seen[rules.scope_id] = path
        # By its old name it would be made anew the next time.
        if name != rules.scope_id and (given.get("name") or name) != name:
            raise WrongRules(f"{path}.name", "To rename it, list it by its id.")
        yield _checked(Target(path, rules, given, is_new))


def _housed(agent: Target, projects: Mapping[str, ScopeRules]) -> Target:
    """With the id of the project that it is to belong to, where the document names one."""
    name, path = agent.given.get("project"), f"{agent.path}.project"
    if name is None:
        return agent
    home = _find(projects, name, path)
    if home is None:
        raise WrongRules(path, "There is no project of this name, and the document makes none.")
    rules = agent.rules._replace(project_id=home.scope_id) if agent.is_new else agent.rules
    return agent._replace(rules=rules, given={**agent.given, "project": home.scope_id})


def _find(there: Mapping[str, ScopeRules], name: str, path: str) -> ScopeRules | None:
    """By id, else by a name that only one has."""
    if name in there:
        return there[name]
    named = [rules for rules in there.values() if rules.name == name]
    if len(named) > 1:
        ids = ", ".join(rules.scope_id for rules in named)
        raise WrongRules(path, f"{len(named)} have this name: {ids}.")
    if not named and re.match(r"(prj|agt)_", name):
        raise WrongRules(path, f"Nothing here has the id {name}.", 404)
    return named[0] if named else None


def _tasks_of(book: Rulebook, agent: Target) -> Iterator[Target]:
    every = agent.given.get("each_task")
    given = [(f"{agent.path}.each_task", ENVELOPE, every)] if every is not None else []
    given += [(f"{agent.path}.tasks.{task}", task, rules) for task, rules in agent.given.get("tasks", {}).items()]
    for path, task, rules in given:
        if task == ENVELOPE and not path.endswith(".each_task"):
            raise WrongRules(path, "What holds for every task of an agent is its `each_task`.")
        scope_id = task_scope(agent.rules.scope_id, task)
        called = f"each task of {agent.rules.name}" if task == ENVELOPE else f"task {task} of {agent.rules.name}"
        now = book.tasks.get(scope_id) or rules_of("task", scope_id, called, None, ())
        yield _checked(Target(path, now, rules))


def _checked(target: Target) -> Target:
    """With its controls read. Raises WrongRules for one that cannot be."""
    if "controls" not in target.given:
        return target
    try:
        return target._replace(controls=dump(parse_controls(target.given["controls"])))
    except InvalidControl as error:
        raise WrongRules(f"{target.path}.controls.{error.field}", error.message) from None


def changes(target: Target) -> list[Change]:
    """What a document changes of one scope, field by field."""
    rules, given, found = target.rules, target.given, []

    def change(field: str, before: Any, after: Any) -> None:
        if before != after:
            found.append(Change(target.path, rules.scope, rules.scope_id, rules.name, field, before, after))

    if target.is_new:
        change("new", None, rules.name)
        change("project", None, rules.project_id)
    else:
        change("name", rules.name, given.get("name") or rules.name)
        change("project", rules.project_id, given.get("project") or rules.project_id)
    controls = rules.controls if target.controls is None else target.controls
    for name in dict.fromkeys([*rules.controls, *controls]):
        change(f"controls.{name}", rules.controls.get(name), controls.get(name))
    for currency, limits in given.get("budgets", {}).items():
        for period, limit in limits.items():
            change(f"budgets.{currency}.{period}", rules.limits.get(currency, {}).get(period), limit)
    return found


def stale(target: Target, found: Iterable[Change]) -> list[str]:
    """Which of `controls` and `budgets` a document would change that were changed since the version it names."""
    known = target.given.get("version")
    if known is None:
        return []
    fields = {change.field.partition(".")[0] for change in found}
    parts = zip(("controls", "budgets"), known.split("-"), target.rules.version.split("-"), strict=True)
    return [part for part, then, now in parts if part in fields and then != now]
