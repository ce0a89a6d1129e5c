"""When keys were last used: kept to the minute, away from what the keys are used for."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import bindparam, or_, select, update

from roony.core.duration import MINUTE
from roony.store.tables import access_keys
from roony.store.writer import Writer

# A use is kept when the one kept before is older than this, in microseconds.
EVERY = MINUTE
# Keys written at once.
MAX_NOTED = 200

# A row that is being changed is left to its next use, so that nobody waits and no two processes block each other.
_STALE = (
    select(access_keys.c.hash)
    .where(
        access_keys.c.hash.in_(bindparam("hashes", expanding=True)),
        or_(access_keys.c.last_used_at.is_(None), access_keys.c.last_used_at <= bindparam("since")),
    )
    .with_for_update(skip_locked=True)
)
_NOTE = update(access_keys).where(access_keys.c.hash.in_(_STALE)).values(last_used_at=bindparam("now"))


def note(hashes: Collection[str], now: int) -> Callable[[Writer], None]:
    """A write that keeps the use of up to `MAX_NOTED` keys at `now`, in microseconds."""

    def work(writer: Writer) -> None:
        writer.execute(_NOTE, hashes=list(hashes), since=now - EVERY, now=now)

    return work
