"""Signing in with a passkey: the device says who it is for, and its user said to it who they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, NamedTuple

from roony.core.audit import INSTALLATION
from roony.core.errors import Refusal
from roony.core.passkey import Passkey, Site, is_copy
from roony.core.sign_in import CHALLENGE
from roony.core.user import User
from roony.flows.access_key import NewKey
from roony.flows.context import FlowContext
from roony.flows.one_time_link import new_link
from roony.flows.passkey_challenge import challenge_of, keep_challenge, spend_challenge
from roony.flows.passkey_check import LONGEST_CREDENTIAL_ID, NOT_ACCEPTED, check_use, sign_in_options
from roony.flows.passkey_registration import OVER, Asked
from roony.flows.sign_in import SignedIn, begin_session, needs_of_sessions, new_session
from roony.flows.sign_in_tries import count_try, of_passkey
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.sign_in import find_passkey
from roony.store.rows import AccessKey

UNKNOWN = Refusal("passkey_unknown", "This passkey is not known here any more. Sign in with your password.", 401)
COPIED = Refusal(
    "passkey_copied",
    "This passkey may be a copy: its device counted back. Use your password, and remove it.",
    401,
)


class PasskeyAttempt(NamedTuple):
    """The ticket that the browser kept, what its device answered, and what the browser says it is."""

    ticket: str
    answer: dict[str, Any]
    browser: str = ""

    def __repr__(self) -> str:
        """Without the ticket."""
        return "PasskeyAttempt()"


async def ask_to_sign_in(context: FlowContext, site: Site) -> Asked:
    """A challenge for whoever has a passkey. The ticket stays in the browser, away from scripts."""
    ticket = new_link(CHALLENGE).ticket
    await context.till.write(keep_challenge(ticket, INSTALLATION, "", context.clock()))
    return Asked(ticket, await asyncio.to_thread(sign_in_options, site, challenge_of(ticket)))


async def sign_in_with_passkey(context: FlowContext, site: Site, attempt: PasskeyAttempt) -> SignedIn | Refusal:
    """1 whose it is · 2 the challenge is spent, the signature fits · 3 the session, or the failure on record."""
    credential_id = attempt.answer.get("id")
    row = None
    if isinstance(credential_id, str) and len(credential_id) <= LONGEST_CREDENTIAL_ID:
        row = await asyncio.to_thread(find_passkey, context.database, credential_id)
    if not await context.till.write(spend_challenge(attempt.ticket, INSTALLATION, "", context.clock())):
        return await _failed(context, row, OVER)
    if row is None or row.removed_at is not None:
        return UNKNOWN
    count = await asyncio.to_thread(check_use, site, challenge_of(attempt.ticket), row, attempt.answer)
    if isinstance(count, Refusal):
        return await _failed(context, row, count)
    key = new_session(context.new_id("key"), attempt.browser)
    begun = await context.till.submit(PasskeySignIn(row.organization_id, row.user_id, row.credential_id, count, key))
    if isinstance(begun, Refusal):
        return await _failed(context, row, begun) if begun.status == NOT_ACCEPTED.status else begun
    return SignedIn(row.organization_id, row.user_id, key.text)


async def _failed(context: FlowContext, row: Passkey | None, refusal: Refusal) -> Refusal:
    """The refusal, on record where the passkey is somebody's, as often as wrong passwords are: whoever knows its id can
    be refused over and over."""
    if row is None or row.removed_at is not None:
        return refusal
    [counted] = await context.till.write(count_try((), of_passkey(row.credential_id), context.clock()))
    if not counted.was_locked:
        await context.till.submit(RecordFailedPasskey(row.organization_id, row.user_id, row.id, refusal.code))
    return refusal


@dataclass(frozen=True, slots=True)
class PasskeySignIn(Command[AccessKey | Refusal]):
    """Begins a session for a passkey whose signature was found good; `sign_count` is what its device counts up to.

    Wrong passwords lock nobody out of it: there is nothing to guess.
    """

    organization_id: str
    user_id: str
    credential_id: str
    sign_count: int
    key: NewKey

    def needs(self, now: int) -> Needs:
        """The user with keys, and the passkey."""
        needs = needs_of_sessions(self.organization_id, self.user_id)
        return needs._replace(rows=(*needs.rows, (Passkey, self.credential_id)))

    def apply(self, book: Book, now: int) -> AccessKey | Refusal:
        """1 still the passkey of somebody who may sign in · 2 its device counted on · 3 the session."""
        user, row = book.get(User, self.organization_id, self.user_id), book.get(Passkey, self.credential_id)
        if user is None or user.disabled_at is not None:
            return UNKNOWN
        if row is None or row.removed_at is not None or row.user_id != user.id:
            return UNKNOWN
        if is_copy(row.sign_count, self.sign_count):
            return COPIED
        book.put(row._replace(sign_count=self.sign_count, last_used_at=now))
        return begin_session(book, user, self.key, "passkey", now)


@dataclass(frozen=True, slots=True)
class RecordFailedPasskey(Command[None]):
    """Puts on record that a passkey was refused, and why. It locks nothing: who cannot sign has nothing to guess."""

    organization_id: str
    user_id: str
    passkey_id: str
    problem: str

    def needs(self, now: int) -> Needs:
        """Nothing but the chain."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """The record."""
        body = {"method": "passkey", "passkey": self.passkey_id, "problem": self.problem}
        book.record(self.organization_id, self.user_id, "user.sign_in_failed", self.user_id, body, now)
