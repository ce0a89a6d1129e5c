"""A change that loosened rules and waits: a second person agrees to it, or somebody takes it back.

1 the change is read, and its command made again from its text · 2 under the lock: it still waits, the person is
another one, and who proposed it may still do it · 3 it is done; where something else stood there by then, it is undone.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from roony.core.agent import Agent, Project
from roony.core.errors import BrokenCaller, Refusal, not_found
from roony.core.loosening import ProposedChange, current_status, may_confirm
from roony.core.role import may
from roony.core.user import User
from roony.flows.agent import UpdateAgent, UpdateProject
from roony.flows.context import FlowContext
from roony.flows.freeze import Unfreeze
from roony.flows.limits import Limit, SetBudget, SetControls
from roony.flows.organization import CreateAgent, CreateProject, UpdateOrganization
from roony.flows.rulebook import ApplyRules, Expected
from roony.flows.user import CreateUser, UpdateUser
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.paging import find
from roony.store.second_person import decide_change, mark

# What may stand in the text of a change.
_MADE = {
    one.__name__: one
    for one in (
        SetBudget, SetControls, ApplyRules, Unfreeze, UpdateOrganization, UpdateAgent, UpdateProject, CreateProject,
        CreateAgent, CreateUser, UpdateUser,
    )
}  # fmt: skip
_TUPLES = {one.__name__: one for one in (Limit, Expected)}
_TYPES = {one.__name__: one for one in (Project, Agent)}


@dataclass(frozen=True, slots=True)
class ConfirmChange(Command[ProposedChange | Refusal]):
    """A second person's yes: the change is done as it was asked for. `command` is what its row says."""

    organization_id: str
    change: ProposedChange
    command: Command[Any]
    user_id: str

    is_agreed = True

    def needs(self, now: int) -> Needs:
        """The change with both people, and what its command needs."""
        org, own = self.organization_id, self.command.needs(now)
        people = tuple((User, org, id) for id in (self.change.proposed_by, self.user_id))
        return own._replace(rows=(*own.rows, (ProposedChange, org, self.change.id), *people))

    def apply(self, book: Book, now: int) -> ProposedChange | Refusal:
        """As the module says. What it does is on record as the first person's, and this yes as the second one's."""
        org = self.organization_id
        row = book.need(ProposedChange, org, self.change.id)
        wrong = _over(row, now) or self._wrong_people(book, row)
        if wrong is not None:
            return wrong
        answer = self.command.apply(book, now)
        if isinstance(answer, Refusal):
            return answer
        if mark(book.changes()) != row.base:
            book.undo_command()
            message = "Somebody changed meanwhile what this change would change. Withdraw it, and make it anew."
            return Refusal("base_changed", message, 409, id=row.id)
        return decide_change(book, row, "confirmed", self.user_id, now)

    def _wrong_people(self, book: Book, row: ProposedChange) -> Refusal | None:
        if row.proposed_by == self.user_id:
            return Refusal("same_person", "You proposed this: somebody else has to confirm it.", 403, id=row.id)
        second = book.get(User, self.organization_id, self.user_id)
        if second is None or not may_confirm(second):
            return Refusal("role_too_low", "Whoever confirms a change may make it: an admin or an owner.", 403)
        first = book.get(User, self.organization_id, row.proposed_by)
        if first is None or first.disabled_at is not None or not may(first.role, row.permission):
            return Refusal(
                "proposer_gone", "Whoever proposed this may not do it any more. Withdraw it.", 409, id=row.id
            )
        return None


@dataclass(frozen=True, slots=True)
class WithdrawChange(Command[ProposedChange | Refusal]):
    """A change that waits is taken back, by whoever may make such changes, and one that waited for too long: what it
    was to make may tell who somebody is, and goes with it."""

    organization_id: str
    change_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The change."""
        return Needs(rows=((ProposedChange, self.organization_id, self.change_id),))

    def apply(self, book: Book, now: int) -> ProposedChange | Refusal:
        """Nothing of it is done."""
        row = book.get(ProposedChange, self.organization_id, self.change_id)
        if row is None:
            return not_found("change", self.change_id)
        over = _over(row, now) if row.status != "waiting" else None
        return over or decide_change(book, row, "withdrawn", self.actor, now)


def _over(row: ProposedChange, now: int) -> Refusal | None:
    status = current_status(row, now)
    if status == "waiting":
        return None
    return Refusal("change_over", f"This change does not wait any more: it is {status}.", 409, id=row.id)


async def confirm_change(
    context: FlowContext, organization_id: str, id: str, user_id: str | None, by: Authority | None
) -> ProposedChange | Refusal:
    """The yes of this user. A program's key is nobody's yes."""
    change = await asyncio.to_thread(find, context.database, ProposedChange, organization_id, id)
    if change is None:
        return not_found("change", id)
    if user_id is None:
        return Refusal("user_key_needed", "A second person confirms: with a session, or a key of a user.", 403)
    over = _over(change, context.clock())
    if over is not None:
        return over
    command = ConfirmChange(organization_id, change, command_of(change), user_id)
    return await context.till.submit(command, by=by)


def command_of(change: ProposedChange) -> Command[Any]:
    """The command of a change. Raises BrokenCaller for a text that this Roony did not write."""
    made = _again(json.loads(change.change))
    if not isinstance(made, Command):
        raise BrokenCaller(f"{change.id} holds no command")
    return made


def _again(value: Any) -> Any:
    if isinstance(value, list):
        return [_again(one) for one in value]
    if not isinstance(value, dict):
        return value
    made, of = value["made"], value["of"]
    if made == "mapping":
        return {key: _again(one) for key, one in of.items()}
    if made == "tuple":
        return tuple(_again(one) for one in of)
    if made == "type":
        return _TYPES[of]
    if made in _TUPLES:
        return _TUPLES[made](*(_again(one) for one in of))
    return _MADE[made](**{name: _again(one) for name, one in of.items()})
