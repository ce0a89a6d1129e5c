"""What is left of sign-ins long over: deleted in pieces, since a sign-in looks at all that its user has."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import bindparam, delete, select

from roony.core.sign_in import SECOND, SESSION_SECONDS
from roony.store.tables import access_keys, one_time_links
from roony.store.writer import Writer

# Rows of each kind that one write deletes.
FORGET_ROWS = 200
# Kept for so long after they can be of no more use, in seconds: the audit chain keeps that they were.
KEPT_SECONDS = 30 * 24 * 3600

_SESSIONS = delete(access_keys).where(
    access_keys.c.hash.in_(
        select(access_keys.c.hash)
        .where(access_keys.c.kind == "session", access_keys.c.created_at < bindparam("begun"))
        .limit(FORGET_ROWS)
        .with_for_update(skip_locked=True)
    )
)
_LINKS = delete(one_time_links).where(
    one_time_links.c.hash.in_(
        select(one_time_links.c.hash)
        .where(one_time_links.c.expires_at < bindparam("ended"))
        .limit(FORGET_ROWS)
        .with_for_update(skip_locked=True)
    )
)


def forget(now: int) -> Callable[[Writer], int]:
    """A write that deletes some sessions and links that are over for long; returns how many. `now` in microseconds."""

    def delete_old(writer: Writer) -> int:
        ended = now - KEPT_SECONDS * SECOND
        sessions = writer.execute(_SESSIONS, begun=ended - SESSION_SECONDS * SECOND)
        return int(sessions.rowcount + writer.execute(_LINKS, ended=ended).rowcount)

    return delete_old
