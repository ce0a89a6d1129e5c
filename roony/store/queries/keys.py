"""Who calls: an access key by its hash, and the keys of an organization."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import and_, select

from roony.core.agent import Agent
from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, newest_first
from roony.store.tables import AccessKey, access_keys, agents


class Holder(NamedTuple):
    """A key and, for an agent's key, the agent as it is now."""

    key: AccessKey
    agent: Agent | None


def holder_of(database: Database, key_hash: str) -> Holder | None:
    """The key with this hash, revoked or not, and its agent; one indexed read without a lock (design section 13)."""
    joined = access_keys.outerjoin(
        agents, and_(agents.c.organization_id == access_keys.c.organization_id, agents.c.id == access_keys.c.agent_id)
    )
    rows = database.read(select(access_keys, agents).select_from(joined).where(access_keys.c.hash == key_hash))
    if not rows:
        return None
    width = len(AccessKey._fields)
    agent = Agent(*rows[0][width:]) if rows[0][width] is not None else None
    return Holder(AccessKey(*rows[0][:width]), agent)


def keys_of_agent(database: Database, organization_id: str, agent_id: str, wanted: Slice) -> Page[AccessKey]:
    """The keys of one agent, newest first, revoked ones too."""
    return newest_first(database, AccessKey, organization_id, wanted, access_keys.c.agent_id == agent_id)


def find_key(database: Database, organization_id: str, key_id: str) -> AccessKey | None:
    """One key of an organization by its id."""
    rows = database.read(
        select(access_keys).where(access_keys.c.organization_id == organization_id, access_keys.c.id == key_id)
    )
    return AccessKey(*rows[0]) if rows else None
