"""Signing in with an e-mail address and a password; a session is an access key that a browser keeps in a cookie."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from roony.core.errors import Refusal
from roony.core.sign_in import MAX_SESSIONS, SESSION_SECONDS, Password, Tries
from roony.core.user import User
from roony.flows.access_key import KeyLimits, NewKey, key_row, new_key, revoke
from roony.flows.context import FlowContext
from roony.flows.password import PasswordsBusy, is_password
from roony.flows.sign_in_tries import count_try, of_address, of_browser, take_back
from roony.store.authority import is_over
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.sign_in import Candidate, candidates
from roony.store.rows import AccessKey

# What is written down of a browser, in characters.
MAX_BROWSER = 120

# The same words whether the address or the password is wrong: nobody learns which addresses there are.
WRONG = Refusal("wrong_password", "This e-mail address and password do not belong together.", 401)
LOCKED = Refusal("locked", "There were too many wrong passwords. Wait up to an hour, or ask an owner for a link.", 429)


class SignedIn(NamedTuple):
    """A session that began. `text` goes into the browser's cookie and is kept nowhere else."""

    organization_id: str
    user_id: str
    text: str

    def __repr__(self) -> str:
        """Without the text."""
        return f"SignedIn({self.user_id})"


class SeveralOrganizations(NamedTuple):
    """The address and the password are good in more than one organization: (id, name) of each."""

    choices: tuple[tuple[str, str], ...]


class Attempt(NamedTuple):
    """What was typed. `organization_id` chooses one where an address belongs to several.

    `browser` names the browser in words, `known_by` is the secret in its cookie, empty where it has none.
    """

    email: str
    password: str
    organization_id: str | None = None
    browser: str = ""
    known_by: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Attempt({self.email})"


def new_session(key_id: str, browser: str) -> NewKey:
    """A fresh session, named by the browser that has it."""
    return new_key(
        "session", key_id, browser[:MAX_BROWSER] or "unknown browser", KeyLimits((), (), None, SESSION_SECONDS)
    )


async def sign_in(context: FlowContext, attempt: Attempt) -> SignedIn | SeveralOrganizations | Refusal:
    """1 who has this address · 2 the try is counted, whoever it is for · 3 the passwords are compared, of those whose
    gate is not locked · 4 a good one takes its try back and begins a session. Raises PasswordsBusy, nothing counted."""
    found = await asyncio.to_thread(candidates, context.database, attempt.email, attempt.organization_id)
    browsers = [of_browser(attempt.known_by, one.password.organization_id, one.password.user_id) for one in found]
    counted = await context.till.write(count_try(browsers, of_address(attempt.email), context.clock()))
    if all(one.was_locked for one in counted):
        return LOCKED
    open_to = [(one, at.tries) for one, at in zip(found, counted, strict=False) if not at.was_locked]
    try:
        good = await _right_for([one for one, _ in open_to], attempt.password)
    except PasswordsBusy:
        await context.till.write(take_back(counted))
        raise
    if not good:
        _record_wrong(context, open_to)
        return LOCKED if all(one.tries.locked_until > context.clock() for one in counted) else WRONG
    await context.till.write(take_back(counted))
    if len(good) > 1:
        return SeveralOrganizations(tuple((one.password.organization_id, one.organization) for one in good))
    return await _begin(context, good[0], attempt.browser)


async def _right_for(found: list[Candidate], text: str) -> list[Candidate]:
    """Those whose password it is; where there is nobody it takes as long. Raises PasswordsBusy."""
    if not found:
        await is_password(None, text)
    return [one for one in found if await is_password(one.password.hash, text)]


def _record_wrong(context: FlowContext, tried: list[tuple[Candidate, Tries]]) -> None:
    """Nobody waits for it: an address that belongs to somebody is answered as fast as one that does not."""
    for one, tries in tried:
        command = RecordWrongPassword(one.password.organization_id, one.password.user_id, tries)
        context.till.enqueue(command, None, None)


async def _begin(context: FlowContext, one: Candidate, browser: str) -> SignedIn | Refusal:
    key = new_session(context.new_id("key"), browser)
    org, user_id = one.password.organization_id, one.password.user_id
    begun = await context.till.submit(SignIn(org, user_id, key, one.password.hash))
    return begun if isinstance(begun, Refusal) else SignedIn(org, user_id, key.text)


def needs_of_sessions(organization_id: str, user_id: str) -> Needs:
    """The user with password and keys."""
    org = organization_id
    return Needs(rows=((User, org, user_id), (Password, org, user_id)), groups=((AccessKey, org, user_id),))


def begin_session(book: Book, user: User, key: NewKey, method: str, now: int) -> AccessKey:
    """Writes a session, ends the oldest above the limit, and records who signed in and how."""
    mine = [row for row in book.group(AccessKey, user.organization_id, user.id) if row.kind == "session"]
    alive = sorted((row for row in mine if not is_over(row, now)), key=lambda row: row.created_at)
    for old in alive[: max(0, len(alive) + 1 - MAX_SESSIONS)]:
        revoke(book, old, user.id, now, in_order=True)
    row = key_row(key, user.organization_id, None, now, user.id)
    book.put(row)
    body = {"session": row.id, "method": method, "browser": row.name}
    book.record(user.organization_id, user.id, "user.signed_in", user.id, body, now)
    return row


@dataclass(frozen=True, slots=True)
class SignIn(Command[AccessKey | Refusal]):
    """Begins a session, unless the user was disabled or the password changed since it was compared.

    `hash` is the one the password was compared with.
    """

    organization_id: str
    user_id: str
    key: NewKey
    hash: str = field(repr=False)

    def needs(self, now: int) -> Needs:
        """The user with password and keys."""
        return needs_of_sessions(self.organization_id, self.user_id)

    def apply(self, book: Book, now: int) -> AccessKey | Refusal:
        """1 still the same person with the same password · 2 the session."""
        org = self.organization_id
        user, password = book.get(User, org, self.user_id), book.get(Password, org, self.user_id)
        if user is None or user.disabled_at is not None:
            return WRONG
        if password is None or password.hash != self.hash:
            return WRONG
        return begin_session(book, user, self.key, "password", now)


@dataclass(frozen=True, slots=True)
class SignOut(Command[AccessKey]):
    """The end of a session, by whoever has it. `session` is the row as it was found."""

    organization_id: str
    session: AccessKey

    def needs(self, now: int) -> Needs:
        """The session."""
        return Needs(rows=((AccessKey, self.session.hash),))

    def apply(self, book: Book, now: int) -> AccessKey:
        """One that is over stays as it is."""
        row = book.need(AccessKey, self.session.hash)
        return revoke(book, row, row.user_id or row.id, now, in_order=True)


@dataclass(frozen=True, slots=True)
class RecordWrongPassword(Command[None]):
    """Puts a wrong password on record; `tries` is the gate at which it was counted."""

    organization_id: str
    user_id: str
    tries: Tries

    def needs(self, now: int) -> Needs:
        """Nothing: whoever it was for is told apart by the id."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """The record alone."""
        body = {"failures": self.tries.failures, "locked_until": self.tries.locked_until or None}
        book.record(self.organization_id, self.user_id, "user.sign_in_failed", self.user_id, body, now)
