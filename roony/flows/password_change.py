"""A new password by whoever knows the old one; a forgotten one is chosen anew behind a link (`one_time_link`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from roony.core.errors import Refusal
from roony.core.sign_in import Password, wrong_password
from roony.core.user import User
from roony.flows.context import FlowContext
from roony.flows.one_time_link import set_password
from roony.flows.password import PasswordsBusy, hash_password, is_password
from roony.flows.sign_in import LOCKED, RecordWrongPassword, needs_of_sessions
from roony.flows.sign_in_tries import clear_tries, count_try, of_user, take_back
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.sign_in import find_password

NO_PASSWORD = Refusal("no_password", "There is no password yet. An owner makes a link with which to choose one.", 409)
WRONG_OLD = Refusal("wrong_password", "This is not the password.", 422, "old")


@dataclass(frozen=True, slots=True)
class ChangePassword(Command[Password | Refusal]):
    """A password in place of the one whose hash is `old`; every session ends but the one with the key id `keep`."""

    organization_id: str
    user_id: str
    old: str = field(repr=False)
    new: str = field(repr=False)
    keep: str

    def needs(self, now: int) -> Needs:
        """The user with password and keys."""
        return needs_of_sessions(self.organization_id, self.user_id)

    def apply(self, book: Book, now: int) -> Password | Refusal:
        """Refused if it was changed since it was compared."""
        org = self.organization_id
        before = book.get(Password, org, self.user_id)
        if before is None or before.hash != self.old:
            return WRONG_OLD
        set_password(book, book.need(User, org, self.user_id), self.new, now, self.keep)
        return book.need(Password, org, self.user_id)


async def right_password(context: FlowContext, organization_id: str, user_id: str, text: str) -> Password | Refusal:
    """The password of a user who is signed in and gave it once more; a wrong one is counted as at a sign-in.

    Raises PasswordsBusy, nothing counted.
    """
    found = await asyncio.to_thread(find_password, context.database, organization_id, user_id)
    if found is None:
        return NO_PASSWORD
    # Of its own: whoever tries at the door locks nobody out in here, and the other way round.
    gate = of_user(organization_id, user_id)
    [counted] = await context.till.write(count_try((), gate, context.clock()))
    if counted.was_locked:
        return LOCKED
    try:
        is_right = await is_password(found.hash, text)
    except PasswordsBusy:
        await context.till.write(take_back([counted]))
        raise
    if not is_right:
        await context.till.submit(RecordWrongPassword(organization_id, user_id, counted.tries))
        return WRONG_OLD
    await context.till.write(clear_tries(gate, context.clock()))
    return found


async def change_password(
    context: FlowContext, organization_id: str, user_id: str, old: str, new: str, keep: str, by: Authority | None
) -> Password | Refusal:
    """1 one that is not locked · 2 the old one is right, or the try is counted · 3 the new one may be one · 4 kept."""
    found = await right_password(context, organization_id, user_id, old)
    if isinstance(found, Refusal):
        return found
    weak = wrong_password(new, found.email)
    if weak is not None:
        return weak._replace(field="new")
    command = ChangePassword(organization_id, user_id, found.hash, await hash_password(new), keep)
    return await context.till.submit(command, by=by)
