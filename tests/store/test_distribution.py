"""The schema and the till's statements spread over a distributed PostgreSQL by organization (design section 13)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Table
from sqlalchemy.engine import make_url

from roony.core.agent import Organization
from roony.store import outbox
from roony.store.database import Database
from roony.store.tables import CONFIG_TABLES, metadata
from tests.support.books import NOW, ORG, Books, open_books
from tests.support.forgotten import FORGETTING, FORGOTTEN, forgotten_rows
from tests.support.postgres import built_database, swept_database
from tests.support.spreading import MONEY_TABLES, ROUTING, SPREAD_BY, run_by, statements_of_the_till, strays
from tests.support.story import Story
from tests.support.tills import answers, held, note

# Every table that does not have the organization first in its key, with the reason.
WITHOUT_ORGANIZATION = {
    "organizations": "an organization's own row: spread by its id, so that it lies with all that belongs to it",
    "access_keys": "routing: the hash of a key says who it is, before anybody knows of which organization",
    "account_routes": "routing: (Stripe account, livemode) says which connection, and so which organization",
    "inbox": "routing: Stripe's event id is unique by itself, and comes before its account was looked up",
    "inbox_archive": "routing: the same of events that were archived",
    "leases": "who of all processes does what is to be done once, a row for each",
    "oauth_states": "a secret of ten minutes, found by its hash alone",
    "one_time_links": "a secret of some days, found by its hash alone",
    "passkeys": "routing: the id of a credential says whose it is, before anybody knows of which organization",
    "reveal_links": "a secret of minutes, found by its hash alone",
    "sign_in_tries": "counted by the address that was tried, before anybody knows whose it is",
    "start_tickets": "a secret of ten minutes, found by its hash alone",
}
# Statements that look at rows of all organizations at once, with the reason.
ACROSS = {
    "roony.store.outbox._CLAIM": "what is due next, whoever's it is; a spread database is asked organization by"
    " organization (`_CLAIM_OF`)",
    "roony.store.outbox._WAITING": "the same look without a lock: what it finds is then claimed by organization",
    "roony.store.deliveries._OLD": "a look without a lock at what is old: it is then deleted by organization",
    "roony.store.deliveries._FORGET": "what is old, whoever's it is; a spread database is asked by organization",
    "roony.flows.reconciliation.start._OLD": "as of deliveries, of runs of the reconciliation",
    "roony.flows.reconciliation.start._FORGET": "the same",
    "roony.store.forgetting._OLD": "as of deliveries, of promises and counts by the hour",
    "roony.store.forgetting._FORGET": "the same",
    "roony.wiring._FREE": "only on SQLite, when the one process starts",
    "roony.wiring._FREE_RENEWALS": "only on SQLite, when the one process starts",
}
# What pg_index and pg_constraint say must be unique, excluded or referred to: name, table, kind and columns.
CATALOGUE = """
    SELECT i.indexrelid::regclass::text, c.relname, 'index', ARRAY(
        SELECT a.attname FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND (i.indisunique OR i.indisprimary OR i.indisexclusion)
    UNION ALL
    SELECT o.conname, c.relname, o.contype::text, ARRAY(
        SELECT a.attname FROM unnest(o.conkey) WITH ORDINALITY AS k(number, place)
        JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.number ORDER BY k.place)
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND o.contype IN ('p', 'u', 'f', 'x')
"""
DOCS = Path(__file__).resolve().parents[2] / "docs"
PARTITIONS = 3
STORY = """
ask 10000
card
request A 10000 -> yes
says A pending 10000 yes
capture A t1 10000
says A closed 10000 yes with t1:10000
refund r1 1000
"""


def driver_address(url: str) -> str:
    """An address as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def not_by_organization(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """What of the catalogue does not have the organization first."""
    found = connection.execute(CATALOGUE).fetchall()
    assert len(found) > 2 * len(MONEY_TABLES)
    apart = WITHOUT_ORGANIZATION.keys() | {"alembic_version"}
    return [row for row in found if row[1] not in apart and row[3][:1] != ["organization_id"]]  # type: ignore[index]


@pytest.mark.postgres
class TestCatalogue:
    """What PostgreSQL itself enforces after all migrations."""

    def test_keys_unique_and_foreign_constraints_begin_with_the_organization(self) -> None:
        with swept_database() as url, psycopg.connect(driver_address(url)) as connection:
            assert not_by_organization(connection) == []

    def test_what_would_not_spread_is_seen(self) -> None:
        with swept_database() as url, psycopg.connect(driver_address(url)) as connection:
            connection.execute("CREATE UNIQUE INDEX planted ON cards (stripe_card_id, organization_id)")
            connection.execute("ALTER TABLE holds ADD CONSTRAINT planted_too UNIQUE (id)")
            connection.execute(
                "ALTER TABLE entries ADD CONSTRAINT referring FOREIGN KEY (hold_id) REFERENCES holds (id)"
            )
            assert sorted(str(row[0]) for row in not_by_organization(connection)) == [
                "planted", "planted_too", "planted_too", "referring",
            ]  # fmt: skip
            connection.rollback()


@pytest.mark.parametrize("table", [pytest.param(table, id=table.name) for table in MONEY_TABLES])
def test_the_organization_comes_first_in_the_tables(table: Table) -> None:
    """On SQLite as well, whose schema is made from the same tables."""
    assert next(iter(table.primary_key.columns)).name == "organization_id"
    for index in table.indexes:
        if index.unique:
            assert next(iter(index.columns)).name == "organization_id", index.name
    assert not [c for c in table.constraints if type(c).__name__ in {"ForeignKeyConstraint", "UniqueConstraint"}]


def test_every_table_is_a_money_table_or_named_here() -> None:
    assert {table.name for table in metadata.sorted_tables} - {table.name for table in MONEY_TABLES} == (
        WITHOUT_ORGANIZATION.keys()
    )
    assert WITHOUT_ORGANIZATION.keys() - {"organizations"} == ROUTING
    assert set(MONEY_TABLES) >= CONFIG_TABLES


def test_every_statement_of_the_till_says_of_which_organization() -> None:
    found = {where for where, sql in statements_of_the_till() if strays(sql)}
    assert found == ACROSS.keys()


STRAYS = [
    ("SELECT * FROM cards WHERE id = %s", {"cards"}),
    ("SELECT * FROM cards WHERE organization_id = %s OR id = %s", {"cards"}),
    ("SELECT * FROM cards WHERE organization_id <> %s", {"cards"}),
    ("SELECT * FROM cards AS t WHERE t.organization_id = t.project_id", {"cards"}),
    ("SELECT * FROM cards AS t JOIN holds AS h ON h.organization_id = t.organization_id", {"cards", "holds"}),
    ("SELECT * FROM cards AS t JOIN holds AS h ON h.id = t.id WHERE t.organization_id = %s", {"holds"}),
    ("SELECT * FROM cards AS t LEFT JOIN holds AS h ON t.organization_id = %s AND h.id = t.id", {"cards", "holds"}),
    ("SELECT * FROM unnest(%s::text[]) AS k(k0) JOIN cards AS t ON t.id = k.k0", {"cards"}),
    ("UPDATE cards SET status = %s WHERE id = %s", {"cards"}),
    ("DELETE FROM holds", {"holds"}),
    ("UPDATE cards SET status = %s WHERE organization_id = %s AND id IN (SELECT id FROM holds)", {"holds"}),
    ("UPDATE cards SET status = %s WHERE organization_id = %s AND EXISTS (SELECT 1 FROM holds)", {"holds"}),
    ("WITH d AS (SELECT * FROM outbox) DELETE FROM outbox AS o USING d WHERE o.id = d.id", {"outbox"}),
    ("DELETE FROM cards AS c USING holds AS h WHERE c.organization_id = %s AND h.id = c.id", {"holds"}),
    ("SELECT * FROM (SELECT id FROM cards UNION ALL SELECT organization_id FROM holds) AS both", {"cards", "holds"}),
    ("INSERT INTO cards (id) VALUES (%s)", {"cards"}),
    ("INSERT INTO cards (organization_id, id) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING", {"cards"}),
    ("SELECT * FROM organizations WHERE name = %s FOR UPDATE", {"organizations"}),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "found"), STRAYS)
def test_a_statement_that_does_not_is_seen(sql: str, found: set[str]) -> None:
    assert strays(sql) == found


@pytest.mark.parametrize(
    "call", ["writer.execute(update(inbox).values(status=''))", "writer.run(f'DELETE FROM {table}')"]
)
def test_a_statement_built_where_it_is_run_is_not_let_through(call: str) -> None:
    """It could not be looked at; and each run would compile it again."""
    parsed = ast.parse(call, mode="eval").body
    assert isinstance(parsed, ast.Call)
    with pytest.raises(AssertionError, match=r"roony.store.inbox:1"):
        run_by(parsed, "roony.store.inbox")


def spread(url: str) -> None:
    """Makes every spread table one of partitions by the organization.

    As a distributed table does, PostgreSQL refuses a unique constraint on it that does not contain the organization.
    """
    with psycopg.connect(driver_address(url)) as connection:
        for name, column in SPREAD_BY.items():
            whole, table = Identifier(f"{name}_whole"), Identifier(name)
            connection.execute(SQL("ALTER TABLE {} RENAME TO {}").format(table, whole))
            connection.execute(
                SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL) PARTITION BY HASH ({})").format(
                    table, whole, Identifier(column)
                )
            )
            connection.execute(SQL("DROP TABLE {}").format(whole))
            for part in range(PARTITIONS):
                connection.execute(
                    SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES WITH (MODULUS {}, REMAINDER {})").format(
                        Identifier(f"{name}_part{part}"), table, PARTITIONS, part
                    )
                )


# As the row a distributed PostgreSQL has by which Roony knows it; the extension itself is not needed.
KNOWN_AS = """
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 1, 'citus', oid, 'public'::regnamespace, false, '1' FROM pg_roles WHERE rolname = current_user
"""


@pytest.fixture(scope="module")
def spread_url() -> Iterator[str]:
    """A database whose tables are spread, and that a till knows as such."""
    with built_database() as url:
        spread(url)
        with psycopg.connect(driver_address(url)) as connection:
            connection.execute(KNOWN_AS)
        yield url


@pytest.fixture
def spread_books(spread_url: str, tmp_path: Path) -> Iterator[Books]:
    """Books on that database; it is empty again afterwards."""
    with open_books(tmp_path, spread_url) as books:
        assert books.till.write_and_wait(lambda writer: writer.spread)
        yield books
    with psycopg.connect(driver_address(spread_url)) as connection:
        for name in metadata.tables:
            connection.execute(SQL("DELETE FROM {}").format(Identifier(name)))


def places(database: Database) -> dict[str, set[str]]:
    """For each organization the partitions its rows lie in, of all tables."""
    found: dict[str, set[str]] = {}
    with psycopg.connect(driver_address(database.url.render_as_string(hide_password=False))) as connection:
        for name, column in SPREAD_BY.items():
            rows = connection.execute(
                SQL("SELECT DISTINCT {}, tableoid::regclass::text FROM {}").format(Identifier(column), Identifier(name))
            )
            for organization_id, partition in rows:
                found.setdefault(organization_id, set()).add(partition.rpartition("_")[2])
    return found


@pytest.mark.postgres
class TestSpreadTables:
    """The till on tables that are spread, which is as near as PostgreSQL alone comes to a distributed one."""

    def test_the_till_works(self, spread_books: Books) -> None:
        """A purchase from ask to refund, and a batch of many; the rows of an organization lie in one place together."""
        books = spread_books
        story = Story(books)
        story.tell(STORY)
        assert (story.purchase.status, story.purchase.held, story.purchase.spent) == ("settled", 0, 9_000)
        others = [f"org_{number}" for number in range(2, 12)]
        for other in others:
            books.put(books.row(Organization, id=ORG)._replace(id=other))
        commands = [note("shop", organization_id=other) for other in (*others, ORG)]
        with held(books.till):
            tickets = [books.till.enqueue(command, None, None) for command in commands]
        assert answers(tickets) == ["shop"] * 11
        assert books.till.counters().failed_batches == 0
        found = places(books.database)
        assert found.keys() >= {ORG, *others}
        assert {len(where) for where in found.values()} == {1}
        assert set.union(*found.values()) == {f"part{part}" for part in range(PARTITIONS)}

    def test_one_promise_is_claimed_once(self, spread_books: Books) -> None:
        """P2: organization by organization, as many at once as from one table; a promise not due stays."""
        books = spread_books
        for number in range(outbox.CLAIM_LIMIT + 3):
            promise = outbox.new_promise(f"org_{number % 5}", f"out_{number}", "x", "x", {}, NOW)
            books.put(promise)
        books.put(outbox.new_promise(ORG, "out_later", "x", "x", {}, NOW, lease=outbox.LEASE))
        first, second = (books.till.write_and_wait(outbox.claim(NOW)) for _ in range(2))
        assert (len(first), len(second)) == (outbox.CLAIM_LIMIT, 3)
        claimed = {promise.id for promise in (*first, *second)}
        assert claimed == {f"out_{number}" for number in range(outbox.CLAIM_LIMIT + 3)}
        assert {(promise.generation, promise.lease_until) for promise in first} == {(1, NOW + outbox.LEASE)}

    def test_one_that_was_put_off_since_the_look_waits(self, spread_books: Books) -> None:
        """Another process may have claimed it, tried and put it off between the look and the claim."""
        due, later = (outbox.new_promise(ORG, id, "x", "x", {}, NOW) for id in ("out_due", "out_later"))
        spread_books.put(due, later._replace(due_at=NOW + 1))
        claim = {"org": ORG, "ids": [due.id, later.id], "now": NOW, "until": NOW + outbox.LEASE}
        rows = spread_books.till.write_and_wait(lambda writer: writer.execute(outbox._CLAIM_OF, **claim).fetchall())
        assert [outbox.OutboxPromise(*row).id for row in rows] == [due.id]

    def test_what_is_over_is_forgotten_by_organization(self, spread_books: Books) -> None:
        """As much as from one table, one statement for each after the look."""
        spread_books.put(*(row for number in range(3) for row in forgotten_rows(f"org_{number}")))
        for work in FORGETTING:
            spread_books.till.write_and_wait(work)
        for row in FORGOTTEN:
            assert spread_books.rows(row) == []

    def test_who_holds_an_organization_is_not_waited_for_by_others(self, spread_books: Books) -> None:
        books = spread_books
        books.put(books.row(Organization, id=ORG)._replace(id="org_2"))
        with psycopg.connect(driver_address(books.database.url.render_as_string(hide_password=False))) as stranger:
            stranger.execute("SELECT 1 FROM organizations WHERE id = %s FOR UPDATE", (ORG,))
            with held(books.till):
                waits = books.till.enqueue(note("waits"), None, None)
                goes = books.till.enqueue(note("goes", organization_id="org_2"), None, None)
            assert answers([goes]) == ["goes"]
            assert not waits.future.done()
        assert answers([waits]) == ["waits"]


def named(command: str) -> list[str]:
    """The tables a command is run for."""
    return re.findall(r"'(\w+)'", command.partition("ARRAY[")[2])


def test_the_docs_name_every_table_once_with_the_column_it_is_spread_by() -> None:
    """What docs/scaling.md has an administrator run on Citus."""
    [block] = re.findall(r"```sql\n(.*?)```", (DOCS / "scaling.md").read_text(encoding="utf-8"), re.DOTALL)
    first, spread_too, copied, *whole = [" ".join(command.split()) for command in block.strip().split("\n\n")]
    assert first == "SELECT create_distributed_table('organizations', 'id', shard_count => 64);"
    assert "colocate_with => %L)', name, 'organization_id', 'organizations')" in spread_too
    assert "create_reference_table" in copied
    assert named(spread_too) == sorted(SPREAD_BY.keys() - {"organizations"})
    kept = [
        re.fullmatch(r"SELECT create_distributed_table\('(\w+)', NULL(, colocate_with => 'inbox')?\);", one)
        for one in whole
    ]
    assert sorted([*named(copied), *(one[1] for one in kept if one)]) == sorted(ROUTING)
