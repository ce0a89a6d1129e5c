"""Access keys: made, shown once, kept as a hash only, revoked."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from roony.core.agent import Agent
from roony.core.errors import Refusal, not_found
from roony.core.user import User
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.tables import AccessKey

KINDS = ("agent", "admin")
# Characters of the random part that are kept readable, so that a person can tell keys apart.
_SHOWN = 4
# Keys of one user that are not revoked: a user who is disabled loses them all in one commit.
MAX_KEYS_OF_USER = 20


class NewKey(NamedTuple):
    """A key that is to be made. `text` is what its holder gets, this once; only its hash is kept."""

    id: str
    kind: str
    text: str
    name: str

    def __repr__(self) -> str:
        """Without the text: a key must not reach a log."""
        return f"NewKey({self.id}, {self.kind})"


def new_key(kind: str, id: str, name: str) -> NewKey:
    """A fresh key of 192 random bits, as `roony_agent_…` or `roony_admin_…`."""
    return NewKey(id, kind, f"roony_{kind}_{secrets.token_hex(24)}", name)


def hash_key(text: str) -> str:
    """What is kept of a key. A plain SHA-256: the key is random, so there is nothing to guess."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_row(key: NewKey, organization_id: str, agent_id: str | None, now: int, user_id: str | None = None) -> AccessKey:
    """The row of a new key, valid from now on."""
    shown = key.text[: len(f"roony_{key.kind}_") + _SHOWN]
    hashed = hash_key(key.text)
    return AccessKey(hashed, key.id, organization_id, key.kind, agent_id, user_id, key.name, shown, now, None)


@dataclass(frozen=True, slots=True)
class CreateAccessKey(Command[AccessKey | Refusal]):
    """One more key: for an agent (`agent_id` set), for a user (`user_id`), or for a program of the owner's."""

    organization_id: str
    key: NewKey
    actor: str
    agent_id: str | None = None
    user_id: str | None = None

    def needs(self, now: int) -> Needs:
        """The agent, or the user with the keys there are."""
        org = self.organization_id
        if self.user_id is not None:
            return Needs(rows=((User, org, self.user_id),), groups=((AccessKey, org, self.user_id),))
        return Needs(rows=((Agent, org, self.agent_id),) if self.agent_id else ())

    def apply(self, book: Book, now: int) -> AccessKey | Refusal:
        """Keeps the hash. Older keys stay valid until they are revoked."""
        if (self.key.kind == "agent") != (self.agent_id is not None):
            return Refusal("invalid", "An agent key is for one agent, an admin key for none.", 422, "kind")
        if self.agent_id is not None and book.get(Agent, self.organization_id, self.agent_id) is None:
            return not_found("agent", self.agent_id)
        wrong = self._wrong_user(book, self.user_id) if self.user_id is not None else None
        if wrong is not None:
            return wrong
        row = key_row(self.key, self.organization_id, self.agent_id, now, self.user_id)
        book.put(row)
        book.record(self.organization_id, self.actor, "access_key.created", row.id, described(row), now)
        return row

    def _wrong_user(self, book: Book, user_id: str) -> Refusal | None:
        user = book.get(User, self.organization_id, user_id)
        if user is None:
            return not_found("user", user_id)
        if user.disabled_at is not None:
            return Refusal("user_disabled", "This user is disabled and can have no key.", 409, id=user_id)
        keys = [key for key in book.group(AccessKey, self.organization_id, user_id) if key.revoked_at is None]
        if len(keys) >= MAX_KEYS_OF_USER:
            message = f"A user has at most {MAX_KEYS_OF_USER} keys at a time. Revoke one first."
            return Refusal("too_many_keys", message, 409, id=user_id)
        return None


@dataclass(frozen=True, slots=True)
class RevokeAccessKey(Command[AccessKey | Refusal]):
    """Ends a key at once, in every process. `key_hash` comes from the row found by its id.

    With `agent_id` or `user_id` only a key of that agent or user.
    """

    organization_id: str
    key_hash: str
    key_id: str
    actor: str
    agent_id: str | None = None
    user_id: str | None = None

    def needs(self, now: int) -> Needs:
        """The key."""
        return Needs(rows=((AccessKey, self.key_hash),))

    def apply(self, book: Book, now: int) -> AccessKey | Refusal:
        """Revoking a revoked key changes nothing."""
        row = book.get(AccessKey, self.key_hash)
        if row is None or row.organization_id != self.organization_id or row.id != self.key_id:
            return not_found("key", self.key_id)
        if self.agent_id is not None and row.agent_id != self.agent_id:
            return not_found("key", self.key_id)
        if self.user_id is not None and row.user_id != self.user_id:
            return not_found("key", self.key_id)
        return revoke(book, row, self.actor, now)


def revoke(book: Book, row: AccessKey, actor: str, now: int) -> AccessKey:
    """Ends a key; one that is revoked stays as it is."""
    if row.revoked_at is not None:
        return row
    row = row._replace(revoked_at=now)
    book.put(row)
    book.record(row.organization_id, actor, "access_key.revoked", row.id, described(row), now)
    return row


def described(row: AccessKey) -> dict[str, str | None]:
    """What an audit record says of a key."""
    return {
        "kind": row.kind, "agent": row.agent_id, "user": row.user_id, "name": row.name, "prefix": row.prefix,
    }  # fmt: skip
