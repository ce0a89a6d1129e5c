"""Links that open once: the first run of an organization, an invitation to choose a password, the demo's sign-in.

Looking at one spends nothing, since mail programs and chats look at links before people do; the form behind it does.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import bindparam, update

from roony.core.agent import Organization
from roony.core.audit import INSTALLATION
from roony.core.duration import SECOND
from roony.core.errors import Refusal, not_found
from roony.core.hashing import text_hash
from roony.core.passkey import Passkey
from roony.core.sign_in import LINK_SECONDS, OneTimeLink, Password, is_open
from roony.core.user import User
from roony.flows.access_key import NewKey, key_row, revoke
from roony.flows.context import FlowContext
from roony.flows.organization import NewOrganization, create_organization
from roony.flows.passkey import drop_passkeys
from roony.flows.sign_in import begin_session, needs_of_sessions
from roony.store import tables
from roony.store.authority import is_long_over
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.sign_in import find_link
from roony.store.rows import AccessKey
from roony.store.writer import Writer

# 256 random bits.
TICKET_BYTES = 32
# Links to a first run that an organization may have given out and nobody has opened.
MAX_FIRST_RUNS = 50
LINK_OVER = Refusal("link_over", "This link is not known, was used before, or is too old. Ask for a new one.", 410)

_USE = (
    update(tables.one_time_links)
    .where(tables.one_time_links.c.hash == bindparam("hashed"), tables.one_time_links.c.used_at.is_(None))
    .values(used_at=bindparam("now"))
)


class NewLink(NamedTuple):
    """A link that is to be made. `ticket` stands in its address and is kept nowhere."""

    kind: str
    ticket: str

    def __repr__(self) -> str:
        """Without the ticket."""
        return f"NewLink({self.kind})"


def new_link(kind: str) -> NewLink:
    """A fresh link of one of the kinds of LINK_SECONDS."""
    return NewLink(kind, secrets.token_urlsafe(TICKET_BYTES))


def link_row(link: NewLink, organization_id: str, user_id: str, now: int) -> OneTimeLink:
    """The row of a new link, good from now on."""
    until = now + LINK_SECONDS[link.kind] * SECOND
    return OneTimeLink(text_hash(link.ticket), organization_id, user_id, link.kind, now, until, None)


async def find_open(context: FlowContext, ticket: str, *kinds: str) -> OneTimeLink | Refusal:
    """The link behind a ticket, if it still opens something of these kinds."""
    found = await asyncio.to_thread(find_link, context.database, text_hash(ticket))
    return found if found is not None and is_open(found, kinds, context.clock()) else LINK_OVER


@dataclass(frozen=True, slots=True)
class MakeLink(Command[OneTimeLink | Refusal]):
    """A link for a user of the organization, in place of those of the same kind that were not used yet."""

    organization_id: str
    user_id: str
    link: NewLink
    actor: str

    def needs(self, now: int) -> Needs:
        """The user, and the links there are."""
        org = self.organization_id
        return Needs(rows=((User, org, self.user_id),), groups=((OneTimeLink, org, self.user_id),))

    def apply(self, book: Book, now: int) -> OneTimeLink | Refusal:
        """A disabled user gets none."""
        org = self.organization_id
        user = book.get(User, org, self.user_id)
        if user is None:
            return not_found("user", self.user_id)
        if user.disabled_at is not None:
            return Refusal("user_disabled", "This user is disabled. Let them in again first.", 409, id=user.id)
        for old in book.group(OneTimeLink, org, self.user_id):
            if is_open(old, (self.link.kind,), now):
                book.put(old._replace(used_at=now))
        row = link_row(self.link, org, self.user_id, now)
        book.put(row)
        book.record(org, self.actor, "user.link_made", user.id, {"kind": row.kind, "expires_at": row.expires_at}, now)
        return row


@dataclass(frozen=True, slots=True)
class OfferFirstRun(Command[OneTimeLink | Refusal]):
    """A link with which anybody who has it makes an organization of their own, given out by an owner of this one."""

    organization_id: str
    link: NewLink
    actor: str

    def needs(self, now: int) -> Needs:
        """The links of nobody's that this organization gave out."""
        return Needs(groups=((OneTimeLink, self.organization_id, ""),))

    def apply(self, book: Book, now: int) -> OneTimeLink | Refusal:
        """Refused where many wait to be opened already."""
        org = self.organization_id
        waiting = [row for row in book.group(OneTimeLink, org, "") if is_open(row, ("first_run",), now)]
        if len(waiting) >= MAX_FIRST_RUNS:
            message = f"{MAX_FIRST_RUNS} such links wait to be opened. Use one of them, or wait a day."
            return Refusal("too_many_links", message, 409)
        row = link_row(self.link, org, "", now)
        book.put(row)
        book.record(org, self.actor, "organization.first_run_offered", org, {"expires_at": row.expires_at}, now)
        return row


def make_first_run(link: NewLink, now: int) -> Callable[[Writer], OneTimeLink]:
    """A write for `till.write`: the link that whoever runs this installation is shown at its start."""

    def work(writer: Writer) -> OneTimeLink:
        row = link_row(link, INSTALLATION, "", now)
        writer.write_rows(tables.one_time_links, [row])
        return row

    return work


class NewOwner(NamedTuple):
    """The first person of an organization; `hash` is of the password they chose, `session` that of their browser."""

    id: str
    name: str
    email: str
    hash: str
    session: NewKey

    def __repr__(self) -> str:
        """Without the hash."""
        return f"NewOwner({self.id})"


def start_organization(
    ticket_hash: str, new: NewOrganization, owner: NewOwner, now: int
) -> Callable[[Writer], Organization | Refusal]:
    """A write for `till.write`: the organization with its owner, signed in, and the link spent, in one commit.

    With one that a start of the installation printed, those of all starts before it are spent too.
    """

    def work(writer: Writer) -> Organization | Refusal:
        rows = writer.rows_by(tables.one_time_links, ("hash",), [(ticket_hash,)])
        if not rows or not is_open(rows[0], ("first_run",), now):
            return LINK_OVER
        if not writer.execute(_USE, hashed=ticket_hash, now=now).rowcount:
            return LINK_OVER
        person = {"user": owner.id, "session": owner.session.id}
        made = create_organization(replace(new, owner=person), now)(writer)
        if isinstance(made, Refusal):
            # Nothing else was written: the link is good again.
            writer.execute(_UNUSE, hashed=ticket_hash)
            return made
        if rows[0].organization_id == INSTALLATION:
            writer.execute(_USE_OTHERS, now=now)
        org = made.id
        writer.write_rows(tables.users, [User(org, owner.id, owner.name, owner.email, "owner", now, None)])
        writer.write_rows(tables.passwords, [Password(org, owner.id, owner.email.lower(), owner.hash, now)])
        writer.write_rows(tables.access_keys, [key_row(owner.session, org, None, now, owner.id)])
        return made

    return work


# Each start of the installation printed one: those of the starts before it lie in logs.
_USE_OTHERS = (
    update(tables.one_time_links)
    .where(
        tables.one_time_links.c.organization_id == INSTALLATION, tables.one_time_links.c.user_id == "",
        tables.one_time_links.c.kind == "first_run", tables.one_time_links.c.used_at.is_(None),
    )
    .values(used_at=bindparam("now"))
)  # fmt: skip
_UNUSE = update(tables.one_time_links).where(tables.one_time_links.c.hash == bindparam("hashed")).values(used_at=None)


@dataclass(frozen=True, slots=True)
class UseLink(Command[AccessKey | Refusal]):
    """Signs the user of a link in, with a new password where it is an invitation.

    A new password ends every other session and all passkeys of the user: who forgot theirs may have lost more than it.
    """

    organization_id: str
    user_id: str
    ticket_hash: str
    key: NewKey
    hash: str | None = field(default=None, repr=False)

    def needs(self, now: int) -> Needs:
        """The link, and the user with password, keys and passkeys."""
        needs = needs_of_sessions(self.organization_id, self.user_id)
        groups = (*needs.groups, (Passkey, self.organization_id, self.user_id))
        return needs._replace(rows=(*needs.rows, (OneTimeLink, self.ticket_hash)), groups=groups)

    def apply(self, book: Book, now: int) -> AccessKey | Refusal:
        """1 is it still good, for this · 2 it is spent · 3 the password · 4 the session."""
        org = self.organization_id
        link, user = book.get(OneTimeLink, self.ticket_hash), book.get(User, org, self.user_id)
        kinds = ("sign_in",) if self.hash is None else ("invitation",)
        if link is None or not is_open(link, kinds, now) or (link.organization_id, link.user_id) != (org, self.user_id):
            return LINK_OVER
        if user is None or user.disabled_at is not None:
            return LINK_OVER
        book.put(link._replace(used_at=now))
        if self.hash is not None:
            set_password(book, user, self.hash, now)
            drop_passkeys(book, org, user.id, user.id, now)
        return begin_session(book, user, self.key, "link", now)


def set_password(book: Book, user: User, hashed: str, now: int, keep: str | None = None) -> None:
    """A user's password, new or in place of another, and the end of all sessions there are but the one to `keep`."""
    org = user.organization_id
    for row in book.group(AccessKey, org, user.id):
        if row.kind == "session" and row.id != keep and not is_long_over(row, now):
            revoke(book, row, user.id, now)
    book.put(Password(org, user.id, user.email.lower(), hashed, now))
    book.record(org, user.id, "user.password_set", user.id, {}, now)
