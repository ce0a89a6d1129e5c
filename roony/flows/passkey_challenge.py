"""What a passkey is asked to sign: random, good once and for minutes, and only in the browser that asked for it.

The browser keeps a ticket, out of which the challenge is made; kept here is the ticket's hash, as of a link that opens
once. So whoever overhears a challenge and its signature can do nothing with them without the ticket.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from sqlalchemy import bindparam, update

from roony.core.hashing import text_hash
from roony.core.sign_in import CHALLENGE, OneTimeLink
from roony.flows.one_time_link import NewLink, link_row
from roony.store import tables
from roony.store.writer import Writer

_links = tables.one_time_links
_SPEND = (
    update(_links)
    .where(
        _links.c.hash == bindparam("hashed"), _links.c.kind == CHALLENGE, _links.c.organization_id == bindparam("org"),
        _links.c.user_id == bindparam("user"), _links.c.used_at.is_(None), _links.c.expires_at > bindparam("now"),
    )
    .values(used_at=bindparam("now"))
)  # fmt: skip


def challenge_of(ticket: str) -> bytes:
    """The challenge that belongs to a ticket."""
    return hmac.new(ticket.encode(), b"roony passkey", hashlib.sha256).digest()


def keep_challenge(ticket: str, organization_id: str, user_id: str, now: int) -> Callable[[Writer], OneTimeLink]:
    """A write for `till.write`: a new challenge.

    One to sign in belongs to the installation and to no user: who it is for turns out when it is signed.
    """

    def work(writer: Writer) -> OneTimeLink:
        row = link_row(NewLink(CHALLENGE, ticket), organization_id, user_id, now)
        writer.write_rows(_links, [row])
        return row

    return work


def spend_challenge(ticket: str, organization_id: str, user_id: str, now: int) -> Callable[[Writer], bool]:
    """A write for `till.write`: True for the first who comes with this ticket in time.

    Spent before the signature is looked at, in a commit of its own: whatever comes of it, it is good for nothing else.
    """

    def work(writer: Writer) -> bool:
        spent = writer.execute(_SPEND, hashed=text_hash(ticket), org=organization_id, user=user_id, now=now)
        return bool(spent.rowcount)

    return work
