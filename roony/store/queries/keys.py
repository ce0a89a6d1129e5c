"""Who calls: an access key by its hash, and the keys of an organization."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import and_, bindparam, select

from roony.core.agent import Agent
from roony.core.role import OWNER
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, newest_first
from roony.store.rows import AccessKey
from roony.store.tables import access_keys, agents, users


class Holder(NamedTuple):
    """A key and, for an agent's key, the agent as it is now, or for an admin key its role.

    The role is None where the key is of a user who is gone or disabled.
    """

    key: AccessKey
    agent: Agent | None
    role: str | None


# Made once: every call of the API looks its key up.
_HOLDER = (
    select(access_keys, users.c.role, agents)
    .select_from(
        access_keys.outerjoin(
            agents,
            and_(agents.c.organization_id == access_keys.c.organization_id, agents.c.id == access_keys.c.agent_id),
        ).outerjoin(
            users,
            and_(
                users.c.organization_id == access_keys.c.organization_id,
                users.c.id == access_keys.c.user_id,
                users.c.disabled_at.is_(None),
            ),
        )
    )
    .where(access_keys.c.hash == bindparam("hash"))
)


def holder_of(database: Database, key_hash: str) -> Holder | None:
    """The key with this hash, revoked or not, and its agent and role; one read without a lock (design section 13)."""
    rows = database.read(_HOLDER, {"hash": key_hash})
    if not rows:
        return None
    width = len(AccessKey._fields)
    key, role, agent = AccessKey(*rows[0][:width]), rows[0][width], rows[0][width + 1 :]
    return Holder(key, Agent(*agent) if agent[0] is not None else None, OWNER if key.user_id is None else role)


def keys_of_agent(database: Database, organization_id: str, agent_id: str, wanted: Slice) -> Page[AccessKey]:
    """The keys of one agent, newest first, revoked ones too."""
    return newest_first(database, AccessKey, organization_id, wanted, access_keys.c.agent_id == agent_id)


def keys_of_user(database: Database, organization_id: str, user_id: str, wanted: Slice) -> Page[AccessKey]:
    """The keys of one user, newest first, revoked ones too."""
    return newest_first(database, AccessKey, organization_id, wanted, access_keys.c.user_id == user_id)


def find_key(database: Database, organization_id: str, key_id: str) -> AccessKey | None:
    """One key of an organization by its id."""
    rows = database.read(
        select(access_keys).where(access_keys.c.organization_id == organization_id, access_keys.c.id == key_id)
    )
    return AccessKey(*rows[0]) if rows else None
