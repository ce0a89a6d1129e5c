"""What waits of one organization, where several are served: as much as its owner may know of the queues of all."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BindParameter, Select, bindparam, func, or_, select, text

from roony.core.audit import INSTALLATION
from roony.store.database import Database
from roony.store.queries.events import of_organization
from roony.store.queries.gauges import MAX_COUNTED, Waiting
from roony.store.tables import EVENT_TO_HANDLE, UNFINISHED_EVENT, inbox, organizations, outbox

_ORG: BindParameter[str] = bindparam("org")
_WHOSE = (inbox.c.received_at, inbox.c.organization_id, inbox.c.account, inbox.c.livemode)
# Of all that waits those that are due first, as in `gauges`: however much others let pile up, a look takes no longer.
_TO_HANDLE = select(*_WHOSE).where(text(EVENT_TO_HANDLE)).order_by(inbox.c.due_at).limit(MAX_COUNTED).subquery()
_PROMISED = (
    select(outbox.c.organization_id, outbox.c.created_at)
    .where(outbox.c.status == "promised")
    .order_by(outbox.c.due_at)
    .limit(MAX_COUNTED)
    .subquery()
)
OWN_EVENTS = select(func.count(), func.min(_TO_HANDLE.c.received_at)).where(or_(*of_organization(_TO_HANDLE, _ORG)))
OWN_PROMISES = select(func.count(), func.min(_PROMISED.c.created_at)).where(_PROMISED.c.organization_id == _ORG)


def _dead() -> Select[tuple[int]]:
    """Those that are known to be its own, and those of its accounts that were given up before anybody knew."""
    known = select(inbox.c.id).where(inbox.c.organization_id == _ORG, inbox.c.status == "dead", text(UNFINISHED_EVENT))
    nobodys = (
        select(*_WHOSE)
        .where(inbox.c.organization_id.is_(None), inbox.c.status == "dead", text(UNFINISHED_EVENT))
        .limit(MAX_COUNTED)
        .subquery()
    )
    own = select(func.count()).select_from(known.limit(MAX_COUNTED).subquery()).scalar_subquery()
    accounts = select(func.count()).where(or_(*of_organization(nobodys, _ORG))).scalar_subquery()
    return select(own + accounts)


OWN_DEAD_EVENTS = _dead()
SEVERAL = select(organizations.c.id).where(organizations.c.id != INSTALLATION).limit(2)


class OwnWork(NamedTuple):
    """What waits, and how many events were given up."""

    events: Waiting
    dead_events: int
    promises: Waiting


def serves_several(database: Database) -> bool:
    """Whether there is more than one organization. Blocks."""
    return len(database.read(SEVERAL)) > 1


def own_work(database: Database, organization_id: str) -> OwnWork:
    """One look. Blocks."""
    org = {"org": organization_id}
    [events], [promises] = database.read(OWN_EVENTS, org), database.read(OWN_PROMISES, org)
    [(dead,)] = database.read(OWN_DEAD_EVENTS, org)
    return OwnWork(Waiting(*events), int(dead), Waiting(*promises))
