"""Everything an organization has, and nothing that opens something or belongs to somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from roony.core.agent import Organization
from roony.store.queries import export
from roony.store.queries.export import COLUMNS_LEFT_OUT, LEFT_OUT, exported_tables
from roony.store.tables import metadata, organizations
from tests.support.postgres import books_database
from tests.support.serving import Company, ServedRoony, serve
from tests.support.tills import DATABASES
from tests.web.conftest import signed_in, waiting

ADMIN = "/api/v1/admin"
# Words in the names of columns that may hold what opens something; those that do not are named here.
SUSPECT = ("hash", "sealed", "secret", "token", "password", "key", "credential")
HARMLESS = {
    ("agents", "public_key"): "public",
    ("audit_checkpoints", "hash"): "of the chain",
    ("audit_checkpoints", "public_key"): "public",
    ("audit_records", "hash"): "of the chain",
    ("audit_records", "previous_hash"): "of the chain",
    ("kept_keys", "body_hash"): "of what an agent asked",
    ("kept_keys", "key"): "an agent's own word for an ask",
    ("known_merchants", "merchant_key"): "a name",
    ("organizations", "audit_hash"): "of the chain",
    ("outbox", "key"): "idempotency key of a call to Stripe",
    ("purchases", "merchant_key"): "a name",
    ("signing_keys", "public_key"): "public",
    ("stripe_transactions", "merchant_key"): "a name",
}


@pytest.fixture(scope="module", params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with books_database(request.param) as url, serve(tmp_path_factory.mktemp("export"), database_url=url) as roony:
        yield roony


@pytest.fixture(scope="module")
def towns(served: ServedRoony) -> tuple[Company, Company]:
    """Two organizations in which much happened."""
    made = served.company(), served.company()
    for company in made:
        waiting(served, company)
        with signed_in(served, company):
            pass
    return made


def everything(company: Company) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, as an owner gets them."""
    begun = company.owner.send("POST", f"{ADMIN}/export", status=201)
    found: dict[str, list[dict[str, Any]]] = {}
    for table in begun["tables"]:
        cursor, found[table] = None, []
        while True:
            params = {"table": table, **({"cursor": cursor} if cursor else {})}
            page = company.owner.get(f"{ADMIN}/export/rows", params=params)
            found[table] += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    return found


def test_every_table_and_every_column_is_exported_or_left_out_for_a_reason() -> None:
    assert {table.name for table in exported_tables()} | set(LEFT_OUT) == set(metadata.tables)
    named = {(table.name, column.name) for table in metadata.tables.values() for column in table.c}
    assert set(COLUMNS_LEFT_OUT) <= named
    suspect = {
        (table.name, column.name) for table in exported_tables() for column in table.c
        if any(word in column.name.split("_") for word in SUSPECT)
    }  # fmt: skip
    assert suspect - set(COLUMNS_LEFT_OUT) == set(HARMLESS)


def test_all_of_ones_own_and_nothing_of_others(
    served: ServedRoony, towns: tuple[Company, Company], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page it is as many rows as there are, each once, whatever pages are cut."""
    monkeypatch.setattr(export, "ROWS", 3)
    monkeypatch.setattr(export, "_FEWER", {})
    mine, other = towns
    found = everything(mine)
    for table in exported_tables():
        owner = table.c.id if table.name == "organizations" else table.c.organization_id
        rows = served.context.database.read(select(table).where(owner == mine.id))
        shown = [column.name for column in table.c if (table.name, column.name) not in COLUMNS_LEFT_OUT]
        told = [tuple(row[name] for name in shown) for row in found[table.name]]
        if table.name in ("organizations", "audit_records", "notice_cursors", "outbox", "access_keys"):
            # These go on while they are read.
            assert len(told) <= len(rows)
        else:
            expected = [
                tuple(value for name, value in row._mapping.items() if name in shown and not isinstance(value, bytes))
                for row in rows
            ]
            without = [tuple(value for name, value in row.items() if name not in _BYTES) for row in found[table.name]]
            assert sorted(map(str, without)) == sorted(map(str, expected)), table.name
        assert len(set(map(str, told))) == len(told), table.name
    assert found["purchases"]
    assert found["users"]
    assert len(found["audit_records"]) > 3
    text = str(found)
    assert mine.id in text
    assert other.id not in text


_BYTES = {"payload", "content"}


def test_nothing_in_it_opens_anything(served: ServedRoony, towns: tuple[Company, Company]) -> None:
    """Looked for by its values: hashes of keys, links and passwords, and what was sealed."""
    text = str(everything(towns[0]))
    secrets = []
    for name, columns in {
        "access_keys": ["hash"], "passwords": ["hash"], "one_time_links": ["hash"], "connection_secrets": ["sealed"],
        "message_recipients": ["sealed"], "webhook_endpoints": ["sealed"], "passkeys": ["credential_id"],
    }.items():  # fmt: skip
        table = metadata.tables[name]
        for row in served.context.database.read(select(*(table.c[column] for column in columns))):
            secrets += [value for value in row if value]
    assert len(secrets) > 4
    assert not [secret for secret in secrets if secret in text]


def test_it_is_on_record_and_for_owners_alone(served: ServedRoony, towns: tuple[Company, Company]) -> None:
    company = towns[0]
    begun = company.owner.send("POST", f"{ADMIN}/export", status=201)
    record = company.owner.get(f"{ADMIN}/audit?limit=1&action=organization.exported")["data"][0]
    assert record["sequence"] == begun["audit_head"]["sequence"] + 1
    user = company.owner.send(
        "POST", f"{ADMIN}/users", {"name": "A", "email": "admin@export.example", "role": "admin"}, 201
    )
    key = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/keys", {}, 201)["key"]
    admin = served.caller(key)
    admin.refused(403, "POST", f"{ADMIN}/export")
    admin.refused(403, "GET", f"{ADMIN}/export/rows?table=users")


@pytest.mark.parametrize("table", ["passwords", "connection_secrets", "alembic_version", "x"])
def test_what_is_left_out_is_not_there(towns: tuple[Company, Company], table: str) -> None:
    towns[0].owner.refused(422, "GET", f"{ADMIN}/export/rows?table={table}")


def test_an_organization_is_its_row(served: ServedRoony, towns: tuple[Company, Company]) -> None:
    [row] = everything(towns[1])["organizations"]
    assert set(row) == set(Organization._fields)
    assert row["id"] == towns[1].id
    assert served.context.database.read(select(organizations.c.name).where(organizations.c.id == row["id"])) == [
        (row["name"],)
    ]
