"""Who asked for a command: looked at once more under the lock, where no key, user or role changes meanwhile.

A caller is let in before a command waits for its turn. Whoever lost the right to it in between has it refused.
"""

from __future__ import annotations

from typing import NamedTuple

from roony.core.agent import Agent
from roony.core.duration import HOUR, SECOND
from roony.core.errors import Refusal
from roony.core.role import NEEDED, OWNER, may
from roony.core.sign_in import IDLE_SECONDS
from roony.core.user import User
from roony.store.book import Book
from roony.store.facts import Needs
from roony.store.rows import AccessKey

# A use that was let in is noted a little later, and keeps a session open; after this long, in microseconds, it is not.
NOTED_BY = HOUR


class Authority(NamedTuple):
    """The key a person's command came with, and the permission it needs, one of `core.role.NEEDED`.

    `user_id` is whose key it is; None for one of a program of the owner's.
    """

    organization_id: str
    key_hash: str
    user_id: str | None
    permission: str

    def needs(self) -> Needs:
        """The key, and its user."""
        person = ((User, self.organization_id, self.user_id),) if self.user_id is not None else ()
        return Needs(rows=((AccessKey, self.key_hash), *person))

    def problem(self, book: Book, now: int) -> Refusal | None:
        """Why nothing may be done with this key any more, or None."""
        key = book.get(AccessKey, self.key_hash)
        if key is None:
            return Refusal("unauthorized", "This key is not known.", 401)
        user = book.get(User, self.organization_id, self.user_id) if self.user_id is not None else None
        return over(key, now) or wrong_role(_role(key, user), self.permission)


# Not told to anybody but by a second change at the same moment: whoever asked looks again first.
AGENT_CHANGED = Refusal("agent_changed", "The agent was changed meanwhile; nothing was written. Ask again.", 503)


class AgentAuthority(NamedTuple):
    """The key an agent's ask came with, and the agent as it was when its command was made."""

    key_hash: str
    agent: Agent

    def needs(self) -> Needs:
        """The key and the agent."""
        return Needs(rows=((AccessKey, self.key_hash), (Agent, self.agent.organization_id, self.agent.id)))

    def problem(self, book: Book, now: int) -> Refusal | None:
        """Why nothing may be asked with this key any more; AGENT_CHANGED where the agent is not what it was."""
        key = book.get(AccessKey, self.key_hash)
        if key is None:
            return Refusal("unauthorized", "This key is not known.", 401)
        wrong = over(key, now)
        if wrong is not None:
            return wrong
        same = book.get(Agent, self.agent.organization_id, self.agent.id) == self.agent
        return None if same else AGENT_CHANGED


def is_over(key: AccessKey, now: int) -> bool:
    """True for a key that opens nothing any more; a session too that was not used for long."""
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        return True
    return key.kind == "session" and (key.last_used_at or key.created_at) + IDLE_SECONDS * SECOND <= now


def is_long_over(key: AccessKey, now: int) -> bool:
    """True for a key that is over for good: a use of it just before its end would have been noted by now."""
    return is_over(key, now - NOTED_BY)


def over(key: AccessKey, now: int) -> Refusal | None:
    """What the holder of a key that is over is told; None while it is good."""
    if key.revoked_at is not None:
        return Refusal("key_revoked", "This key was revoked. Ask for a new one.", 401)
    if is_over(key, now):
        return Refusal("key_expired", "This key has expired. Ask for a new one.", 401)
    return None


def wrong_role(role: str | None, permission: str) -> Refusal | None:
    """What is told to whose role does not do; `role` is None where the user is gone or disabled."""
    if role is None:
        return Refusal("unauthorized", "The user of this key is gone or disabled.", 401)
    if may(role, permission):
        return None
    message = f"This needs the role {NEEDED[permission]} or one above it; this key's role is {role}."
    return Refusal("role_too_low", message, 403)


def _role(key: AccessKey, user: User | None) -> str | None:
    if key.user_id is None:
        return OWNER
    return user.role if user is not None and user.disabled_at is None else None
