"""`roony control export|apply`: the rules of the whole organization out of a running Roony, and into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from roony.cli.remote import Remote
from roony.cli.rules_file import Rules, WrongFile
from roony.core.control import dump, parse_controls

_ADMIN = "/api/v1/admin"
_PAGE = 100


class Target(NamedTuple):
    """One scope of the running Roony: what it is called, its id, and its rules as in a file."""

    scope: str
    id: str
    name: str
    rules: Rules


class Change(NamedTuple):
    """One call that brings a field of a scope to what the file says."""

    where: str
    before: Any
    after: Any
    method: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """The rules as they are: those of the organization, its projects, its agents, and of each task of an agent."""

    organization: Target
    projects: dict[str, Target]
    agents: dict[str, Target]
    tasks: dict[str, Target]


def fetch(remote: Remote) -> Standing:
    """The rules of the organization as they are now."""
    controls = {row["scope_id"]: dump(parse_controls(row["controls"])) for row in _all(remote, "controls")}
    budgets: dict[str, dict[str, dict[str, int]]] = {}
    for row in _all(remote, "budgets"):
        if row["limit"] is not None:
            budgets.setdefault(row["scope_id"], {}).setdefault(row["currency"], {})[row["period"]] = row["limit"]

    def target(scope: str, id: str, name: str) -> Target:
        return Target(scope, id, name, {"controls": controls.get(id, {}), "budgets": budgets.get(id, {})})

    organization = remote.get(f"{_ADMIN}/organization")
    agents = {row["id"]: target("agent", row["id"], row["name"]) for row in _all(remote, "agents")}
    return Standing(
        target("organization", organization["id"], organization["name"]),
        {row["id"]: target("project", row["id"], row["name"]) for row in _all(remote, "projects")},
        agents,
        {id: target("task", f"{id}:*", f"each task of {agent.name}") for id, agent in agents.items()},
    )


def to_yaml(standing: Standing) -> str:
    """All of it as a file that `apply` reads; what is not set is left out."""
    agents = {}
    for id, agent in sorted(standing.agents.items()):
        each = _set(standing.tasks[id].rules)
        agents[id] = {"name": agent.name, **_set(agent.rules), **({"each_task": each} if each else {})}
    projects = {id: {"name": row.name, **_set(row.rules)} for id, row in sorted(standing.projects.items())}
    rules = {"organization": _set(standing.organization.rules), "projects": projects, "agents": agents}
    return str(yaml.safe_dump(rules, sort_keys=False, allow_unicode=True))


def changes(standing: Standing, rules: Rules, lines: dict[str, int]) -> list[Change]:
    """What has to be done so that the rules are those of the file; what it does not list stays. Raises WrongFile."""
    found = list(_of_scope(standing.organization, rules.get("organization", {})))
    for kind, there in (("projects", standing.projects), ("agents", standing.agents)):
        seen: dict[str, str] = {}
        for name, given in rules.get(kind, {}).items():
            path = f"{kind}.{name}"
            target = _find(there, name, f"line {lines.get(path, 1)}: {path}")
            if target.id in seen:
                raise WrongFile(f"line {lines.get(path, 1)}: {path} is the same as {seen[target.id]}.")
            seen[target.id] = path
            if given.get("name", target.name) != target.name:
                body = {"name": given["name"]}
                where = f"{target.scope} {target.id} name"
                found.append(Change(where, target.name, given["name"], "PATCH", f"{_ADMIN}/{kind}/{target.id}", body))
            found += _of_scope(target, given)
            if "each_task" in given:
                found += _of_scope(standing.tasks[target.id], given["each_task"])
    return found


def as_diff(wanted: list[Change]) -> str:
    """The changes for a person to read before they are made."""
    lines = []
    for change in wanted:
        lines.append(change.where)
        lines += [f"  - {change.before}"] if change.before not in (None, {}) else []
        lines += [f"  + {change.after}"] if change.after not in (None, {}) else []
    return "\n".join(lines)


def _of_scope(target: Target, given: Rules) -> Iterator[Change]:
    where = {"scope": target.scope, "scope_id": target.id}
    called = f"{target.scope} {target.id} ({target.name})"
    if "controls" in given and given["controls"] != target.rules["controls"]:
        body = {**where, "controls": given["controls"]}
        before = target.rules["controls"]
        yield Change(f"{called} controls", before, given["controls"], "PUT", f"{_ADMIN}/controls", body)
    for currency, limits in given.get("budgets", {}).items():
        for period, limit in limits.items():
            before = target.rules["budgets"].get(currency, {}).get(period)
            if limit != before:
                body = {**where, "currency": currency, "period": period, "limit": limit}
                yield Change(f"{called} budget {period} {currency}", before, limit, "PUT", f"{_ADMIN}/budgets", body)


def _find(there: dict[str, Target], name: str, where: str) -> Target:
    """By id, else by a name that only one has."""
    if name in there:
        return there[name]
    named = [target for target in there.values() if target.name == name]
    if len(named) == 1:
        return named[0]
    if named:
        raise WrongFile(f"{where}: {len(named)} have this name: {', '.join(target.id for target in named)}.")
    raise WrongFile(f"{where}: there is none with this id or name. Create it first.")


def _all(remote: Remote, kind: str) -> Iterator[dict[str, Any]]:
    """Every row of a list; each page moves the cursor on, so it ends."""
    cursor = None
    while True:
        page = remote.get(f"{_ADMIN}/{kind}", limit=_PAGE, cursor=cursor)
        yield from page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _set(rules: Rules) -> Rules:
    return {name: value for name, value in rules.items() if value}
