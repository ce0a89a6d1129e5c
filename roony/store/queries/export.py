"""Everything an organization has here, table by table, without what opens something: to be taken away."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, select

from roony.store.database import Database
from roony.store.queries.paging import Page, Slice, cut, keyset
from roony.store.tables import metadata

# Tables that are not exported at all, and why.
LEFT_OUT = {
    "account_routes": "the accounts of connections once more, for finding them",
    "connection_secrets": "sealed tokens and webhook secrets",
    "leases": "which process does what now; of no organization",
    "oauth_states": "hashes of what opens something once, for minutes",
    "one_time_links": "hashes of what opens something once, for days",
    "passwords": "hashes of passwords",
    "reveal_links": "hashes of what opens something once, for minutes",
    "sign_in_tries": "counts by hashes of addresses; of no organization",
    "start_tickets": "hashes of what opens something once, for hours",
}
# Columns that are not exported, and why: what opens something, or may.
COLUMNS_LEFT_OUT = {
    ("access_keys", "hash"): "hash of a key",
    ("message_recipients", "sealed"): "sealed address",
    ("passkeys", "credential_id"): "what a device knows its passkey by",
    ("passkeys", "public_key"): "of use to the device's owner only",
    ("signing_keys", "sealed"): "sealed private key",
    ("webhook_endpoints", "sealed"): "sealed secret",
    ("webhook_endpoints", "sealed_before"): "sealed secret",
    ("webhook_endpoints", "url"): "many services put a secret into their address",
}
# By what the rows of a table are read in pages, where that is not the rest of its primary key.
_ORDER = {
    "access_keys": ("id",),
    "inbox": ("received_at", "id"),
    "inbox_archive": ("received_at", "id"),
    "notice_cursors": ("organization_id",),
    "organizations": ("id",),
    "passkeys": ("id",),
}
# Rows of one page; fewer where each may be large.
ROWS = 500
_FEWER = {"receipt_contents": 2, "inbox": 100, "inbox_archive": 100}


def exported_tables() -> list[Table]:
    """The tables of an export, in the order of their names."""
    return sorted((table for table in metadata.tables.values() if table.name not in LEFT_OUT), key=lambda t: t.name)


def export_page(database: Database, table: Table, organization_id: str, cursor: str | None) -> Page[dict[str, Any]]:
    """The next rows of an organization in one table, as they are kept. Blocks: a cold read.

    Bytes are in base64. Raises InvalidCursor.
    """
    mine = table.c.id if table.name == "organizations" else table.c.organization_id
    order = _ORDER.get(table.name) or tuple(name for name in table.info["key"] if name != "organization_id")
    shown = [column for column in table.c if (table.name, column.name) not in COLUMNS_LEFT_OUT]
    wanted = Slice(_FEWER.get(table.name, ROWS), cursor)
    statement = select(*shown).where(mine == organization_id)
    rows = database.read(keyset(statement, wanted, *(table.c[name] for name in order), descending=False))
    names = [column.name for column in shown]
    places = [names.index(name) for name in order]
    page: Page[Sequence[Any]] = cut(rows, wanted, lambda row: [row[place] for place in places])
    return Page([dict(zip(names, map(_plain, row), strict=True)) for row in page.rows], page.next_cursor)


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
