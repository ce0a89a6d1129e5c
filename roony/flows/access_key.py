"""Access keys: made, shown once, kept as a hash only, rotated with an overlap, revoked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

from roony.core.agent import Agent
from roony.core.duration import SECOND
from roony.core.errors import Refusal, not_found
from roony.core.hashing import text_hash
from roony.core.user import User, begins_anew
from roony.store.authority import is_over
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import AccessKey

KINDS = ("agent", "admin")
# Characters of the random part that are kept readable, so that a person can tell keys apart.
_SHOWN = 4
# Keys of one user that are not over, since a user who is disabled loses them all in one commit; and of one agent.
MAX_KEYS_OF_USER = MAX_KEYS_OF_AGENT = 20


class KeyLimits(NamedTuple):
    """What a key is limited to beside what its holder may; nothing set limits nothing."""

    scopes: tuple[str, ...] = ()
    allowed_addresses: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    lifetime_seconds: int | None = None


class NewKey(NamedTuple):
    """A key that is to be made. `text` is what its holder gets, this once; only its hash is kept."""

    id: str
    kind: str
    text: str
    name: str
    limits: KeyLimits = KeyLimits()

    def __repr__(self) -> str:
        """Without the text: a key must not reach a log."""
        return f"NewKey({self.id}, {self.kind})"


def new_key(kind: str, id: str, name: str, limits: KeyLimits | None = None) -> NewKey:
    """A fresh key of 192 random bits, as `roony_agent_…` or `roony_admin_…`."""
    return NewKey(id, kind, f"roony_{kind}_{secrets.token_hex(24)}", name, limits or KeyLimits())


def key_row(key: NewKey, organization_id: str, agent_id: str | None, now: int, user_id: str | None = None) -> AccessKey:
    """The row of a new key, valid from now on."""
    limits = key.limits
    return AccessKey(
        hash=text_hash(key.text), id=key.id, organization_id=organization_id, kind=key.kind, agent_id=agent_id,
        user_id=user_id, name=key.name, prefix=key.text[: len(f"roony_{key.kind}_") + _SHOWN], created_at=now,
        revoked_at=None, scopes=" ".join(limits.scopes), allowed_addresses=" ".join(limits.allowed_addresses),
        requests_per_minute=limits.requests_per_minute,
        expires_at=None if limits.lifetime_seconds is None else now + limits.lifetime_seconds * SECOND,
        last_used_at=None, replaced_by=None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CreateAccessKey(Command[AccessKey | Refusal]):
    """One more key: for an agent (`agent_id` set), for a user (`user_id`), or for a program of the owner's."""

    organization_id: str
    key: NewKey
    actor: str
    agent_id: str | None = None
    user_id: str | None = None

    def needs(self, now: int) -> Needs:
        """The agent or the user, with the keys there are."""
        return _needs_of(self.organization_id, self.agent_id, self.user_id)

    def apply(self, book: Book, now: int) -> AccessKey | Refusal:
        """Keeps the hash. Older keys stay valid until they are over."""
        if (self.key.kind == "agent") != (self.agent_id is not None):
            return Refusal("invalid", "An agent key is for one agent, an admin key for none.", 422, "kind")
        wrong = _wrong_holder(book, self.organization_id, self.agent_id, self.user_id, now)
        if wrong is not None:
            return wrong
        row = key_row(self.key, self.organization_id, self.agent_id, now, self.user_id)
        book.put(row)
        book.record(self.organization_id, self.actor, "access_key.created", row.id, described(row), now)
        return row


@dataclass(frozen=True, slots=True)
class RotateAccessKey(Command[AccessKey | Refusal]):
    """A new key in place of an old one, which ends after an overlap: nobody who has it is cut off at once.

    `old` is the row as it was found by its id. The new key has its name, scopes, addresses and limit, and a whole
    lifetime like the old one's. A key is rotated once: a second try is refused and names the key that was made.
    """

    organization_id: str
    old: AccessKey
    key: NewKey
    overlap_seconds: int
    actor: str

    def needs(self, now: int) -> Needs:
        """The old key, and its agent or user with the keys there are."""
        needs = _needs_of(self.organization_id, self.old.agent_id, self.old.user_id)
        return needs._replace(rows=(*needs.rows, (AccessKey, self.old.hash)))

    def apply(self, book: Book, now: int) -> AccessKey | Refusal:
        """1 may it be rotated · 2 the new key · 3 the end of the old one, never later than it was."""
        old = book.need(AccessKey, self.old.hash)
        if old.kind == "session":
            return Refusal("is_session", "A session is not rotated: end it, and sign in again.", 409, id=old.id)
        if old.replaced_by is not None:
            return Refusal("already_rotated", "This key was rotated already.", 409, id=old.replaced_by)
        if is_over(old, now):
            return Refusal("key_over", "This key is revoked or expired. Make a new one.", 409, id=old.id)
        wrong = _wrong_holder(book, self.organization_id, old.agent_id, old.user_id, now)
        if wrong is not None:
            return wrong
        # From here it must succeed: only writes below.
        lifetime = None if old.expires_at is None else old.expires_at - old.created_at
        new = key_row(self.key, self.organization_id, old.agent_id, now, old.user_id)._replace(
            name=old.name, scopes=old.scopes, allowed_addresses=old.allowed_addresses,
            requests_per_minute=old.requests_per_minute, expires_at=None if lifetime is None else now + lifetime,
        )  # fmt: skip
        end = now + self.overlap_seconds * SECOND
        ending = old._replace(
            replaced_by=new.id, expires_at=end if old.expires_at is None else min(end, old.expires_at)
        )
        book.put(new)
        book.put(ending)
        if self.overlap_seconds == 0:
            _forget_words(book, old, now)
        body = {"before": described(old), "after": described(ending), "new": {"id": new.id, **described(new)}}
        book.record(self.organization_id, self.actor, "access_key.rotated", old.id, body, now)
        return new


@dataclass(frozen=True, slots=True)
class RevokeAccessKey(Command[AccessKey | Refusal]):
    """Ends a key at once, in every process. `key` is the row as it was found by its id."""

    organization_id: str
    key: AccessKey
    actor: str

    def needs(self, now: int) -> Needs:
        """The key, and its user."""
        user_id = self.key.user_id
        person = ((User, self.organization_id, user_id),) if user_id is not None else ()
        return Needs(rows=((AccessKey, self.key.hash), *person))

    def apply(self, book: Book, now: int) -> AccessKey | Refusal:
        """Revoking a revoked key changes nothing."""
        row = book.get(AccessKey, self.key.hash)
        if row is None or row.organization_id != self.organization_id:
            return not_found("key", self.key.id)
        return revoke(book, row, self.actor, now)


def revoke(book: Book, row: AccessKey, actor: str, now: int, in_order: bool = False) -> AccessKey:
    """Ends a key; one that is revoked stays as it is. Its user, if it has one, was named.

    `in_order` is a session that its own user leaves: what they agreed to in it still counts.
    """
    if row.revoked_at is not None:
        return row
    row = row._replace(revoked_at=now)
    book.put(row)
    if not in_order:
        _forget_words(book, row, now)
    book.record(row.organization_id, actor, "access_key.revoked", row.id, described(row), now)
    return row


def _forget_words(book: Book, row: AccessKey, now: int) -> None:
    """Whoever had this key may have agreed to something in its user's name: that counts no more."""
    if row.user_id is not None:
        book.put(begins_anew(book.need(User, row.organization_id, row.user_id), now))


def described(row: AccessKey) -> dict[str, Any]:
    """What an audit record says of a key. What a person called theirs may name them, and a record is for ever."""
    name = {"name": row.name} if row.user_id is None else {}
    return {
        "kind": row.kind, "agent": row.agent_id, "user": row.user_id, **name, "prefix": row.prefix,
        "scopes": row.scopes.split(), "allowed_addresses": row.allowed_addresses.split(),
        "requests_per_minute": row.requests_per_minute, "expires_at": row.expires_at,
    }  # fmt: skip


def _needs_of(organization_id: str, agent_id: str | None, user_id: str | None) -> Needs:
    """Whose key it is, with the keys there are; nothing for a key of a program's."""
    if user_id is not None:
        return Needs(rows=((User, organization_id, user_id),), groups=((AccessKey, organization_id, user_id),))
    if agent_id is not None:
        groups = ((AccessKey, organization_id, agent_id, "agent_id"),)
        return Needs(rows=((Agent, organization_id, agent_id),), groups=groups)
    return Needs()


def _wrong_holder(
    book: Book, organization_id: str, agent_id: str | None, user_id: str | None, now: int
) -> Refusal | None:
    """What stands against one more key of this agent or user; nothing for a key of a program's."""
    if user_id is not None:
        user = book.get(User, organization_id, user_id)
        if user is None:
            return not_found("user", user_id)
        if user.disabled_at is not None:
            return Refusal("user_disabled", "This user is disabled and can have no key.", 409, id=user_id)
        return _too_many(book.group(AccessKey, organization_id, user_id), "A user", user_id, MAX_KEYS_OF_USER, now)
    if agent_id is not None:
        if book.get(Agent, organization_id, agent_id) is None:
            return not_found("agent", agent_id)
        keys = book.group(AccessKey, organization_id, agent_id, "agent_id")
        return _too_many(keys, "An agent", agent_id, MAX_KEYS_OF_AGENT, now)
    return None


def _too_many(keys: list[AccessKey], whose: str, id: str, most: int, now: int) -> Refusal | None:
    if sum(key.kind != "session" and not is_over(key, now) for key in keys) < most:
        return None
    return Refusal("too_many_keys", f"{whose} has at most {most} keys at a time. Revoke one first.", 409, id=id)
