"""Controls as code: a whole document of controls and budgets applied in one commit, or nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from roony.core.agent import Agent, Project
from roony.core.audit import canonical
from roony.core.budget import Budget
from roony.core.control import Control
from roony.core.errors import BrokenCaller, Refusal
from roony.core.hashing import derived_id, text_hash
from roony.core.rulebook import (
    Change,
    Document,
    Rulebook,
    Target,
    WrongRules,
    changes,
    rules_version,
    stale,
    targets,
    to_document,
)
from roony.flows.agent import UpdateAgent, UpdateProject
from roony.flows.context import FlowContext
from roony.flows.limits import Limit, SetBudget, SetControls
from roony.flows.organization import CreateAgent, CreateProject
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.organizations import first_project
from roony.store.queries.rulebook import read_rulebook

# Limits, sets of controls, names and new scopes that one commit may change: it holds the organization, and every
# decision waits for it meanwhile.
MAX_CHANGES = 500
TOO_MANY_SCOPES = Refusal("too_many_scopes", "There are too many scopes for one document: set them one by one.", 409)


class Expected(NamedTuple):
    """The version of a scope's rules that a change begins from."""

    path: str
    scope_id: str
    version: str


class Stale(NamedTuple):
    """`what` (controls or budgets) of the scope at `path` is another than the document knows."""

    path: str
    what: str


class Plan(NamedTuple):
    """What a document would change now. `token` is the same as long as that is the same."""

    changes: tuple[Change, ...]
    new: frozenset[str]
    stale: tuple[Stale, ...]
    command: ApplyRules

    @property
    def size(self) -> int:
        """How much the commit has to do: one for each part, and for each limit of what is made."""
        made = sum(len(part.budgets) for part in self.command.parts if isinstance(part, CreateProject | CreateAgent))
        return len(self.command.parts) + made

    @property
    def token(self) -> str:
        """A mark of all the changes; ids that are made only when it is done are no part of it."""
        made = dict.fromkeys(self.new, "")
        seen = [(row.path, row.field, row.before, made.get(str(row.after), row.after)) for row in self.changes]
        return text_hash(canonical(seen))[:24]


@dataclass(frozen=True, slots=True)
class ApplyRules(Command[None | Refusal]):
    """Does all the parts, each with its own audit record, if the rules are still those that they begin from."""

    can_wait = True

    organization_id: str
    expected: tuple[Expected, ...]
    parts: tuple[Command[Any], ...]
    # (row type, id, path) of what is to be made.
    new: tuple[tuple[type[Project | Agent], str, str], ...] = ()

    def needs(self, now: int) -> Needs:
        """What the parts need."""
        needs = [part.needs(now) for part in self.parts]
        return Needs(
            rows=tuple(row for need in needs for row in need.rows),
            chains=tuple(chain for need in needs for chain in need.chains),
        )

    def apply(self, book: Book, now: int) -> Refusal | None:
        """1 every version, and nothing new is there yet · 2 every part, none of which can be refused any more."""
        org = self.organization_id
        for expected in self.expected:
            budgets = book.group(Budget, org, expected.scope_id)
            if rules_version(book.get(Control, org, expected.scope_id), budgets) != expected.version:
                return changed_meanwhile([Stale(expected.path, "rules")])
        for row, id, path in self.new:
            if book.get(row, org, id) is not None:
                return changed_meanwhile([Stale(path, "name")])
        # From here it must succeed: only writes below.
        for part in self.parts:
            answer = part.apply(book, now)
            if isinstance(answer, Refusal):
                raise BrokenCaller(f"{type(part).__name__} was checked and then refused: {answer.code}")
        return None


def changed_meanwhile(found: list[Stale]) -> Refusal:
    """The refusal of a document that would take back what somebody else changed."""
    named = ", ".join(f"{row.what} of {row.path}" for row in found[:10])
    message = f"Changed by somebody else since the document was made: {named}. Export again, or apply it with force."
    return Refusal("rules_changed", message, 409, f"{found[0].path}.version")


def plan_rules(context: FlowContext, organization_id: str, document: Mapping[str, Any], actor: str) -> Plan | Refusal:
    """What a document would change, and the command that does it. Reads only; never on the event loop."""
    book = read_rulebook(context.database, organization_id)
    if book is None:
        return TOO_MANY_SCOPES
    try:
        listed = targets(book, document, partial(_made_id, book))
    except WrongRules as wrong:
        code = "not_found" if wrong.status == 404 else "invalid"
        return Refusal(code, wrong.message, wrong.status, wrong.path)
    home = first_project(context.database, organization_id)
    if home is not None:
        listed = [_at_home(target, home.id) for target in listed]
    plan = _plan(organization_id, listed, actor)
    if plan.size > MAX_CHANGES:
        message = f"It makes {plan.size} changes; one commit makes {MAX_CHANGES} at most."
        return Refusal("too_many_changes", message, 422)
    return plan


def _made_id(book: Rulebook, prefix: str, name: str) -> str:
    """The same for two who plan to make the same at once, so that only one does; never one that was made before."""
    there = len(book.projects) + len(book.agents)
    return derived_id(prefix, book.organization.scope_id, prefix, name, there)


def _at_home(target: Target, project_id: str) -> Target:
    """A new agent that names no project goes to the organization's first one, as everywhere."""
    if not target.is_new or target.rules.scope != "agent" or target.rules.project_id is not None:
        return target
    return target._replace(rules=target.rules._replace(project_id=project_id))


def _plan(organization_id: str, listed: list[Target], actor: str) -> Plan:
    every: list[Change] = []
    old: list[Stale] = []
    expected: list[Expected] = []
    parts: list[Command[Any]] = []
    for target in listed:
        found = changes(target)
        every += found
        old += [Stale(target.path, what) for what in stale(target, found)]
        if target.is_new:
            parts.append(_made(organization_id, target, actor))
        elif found:
            parts += _changed(organization_id, target, found, actor)
            if any("." in change.field for change in found):
                expected.append(Expected(target.path, target.rules.scope_id, target.rules.version))
    new = tuple(
        (Project if target.rules.scope == "project" else Agent, target.rules.scope_id, target.path)
        for target in listed
        if target.is_new
    )
    command = ApplyRules(organization_id, tuple(expected), tuple(parts), new)
    return Plan(tuple(every), frozenset(id for _, id, _ in new), tuple(old), command)


def _made(organization_id: str, target: Target, actor: str) -> Command[Any]:
    """A new project or agent with all its rules. An agent is made without a key: a key is shown once, to its owner."""
    rules, given = target.rules, target.given
    controls = given.get("controls", {})
    limits = tuple(
        Limit(period, currency, limit)
        for currency, limits in given.get("budgets", {}).items()
        for period, limit in limits.items()
    )
    if rules.scope == "project":
        return CreateProject(organization_id, rules.scope_id, rules.name, actor, limits, controls)
    return CreateAgent(
        organization_id, rules.scope_id, rules.project_id or "", rules.name, "", None, actor, (), limits, controls
    )


def _changed(organization_id: str, target: Target, found: list[Change], actor: str) -> list[Command[Any]]:
    """The commands that bring a scope there is to what the document says."""
    org, scope, id = organization_id, target.rules.scope, target.rules.scope_id
    after = {change.field: change.after for change in found}
    parts: list[Command[Any]] = []
    if scope == "project" and "name" in after:
        parts.append(UpdateProject(org, id, after["name"], actor))
    elif "name" in after or "project" in after:
        parts.append(UpdateAgent(org, id, actor, name=after.get("name"), project_id=after.get("project")))
    if any(field.startswith("controls.") for field in after):
        parts.append(SetControls(org, scope, id, target.given["controls"], actor))
    for field, limit in after.items():
        if field.startswith("budgets."):
            _, currency, period = field.split(".")
            parts.append(SetBudget(org, scope, id, currency, period, limit, actor))
    return parts


async def apply_rules(context: FlowContext, plan: Plan, by: Authority | None) -> Refusal | None:
    """Does what was planned, in one commit; `by` is looked at again in it."""
    if not plan.command.parts:
        return None
    return await context.till.submit(plan.command, by=by)


def whole_document(context: FlowContext, organization_id: str) -> Document | Refusal:
    """All rules of an organization as they are now; never on the event loop."""
    book = read_rulebook(context.database, organization_id)
    return TOO_MANY_SCOPES if book is None else to_document(book)
