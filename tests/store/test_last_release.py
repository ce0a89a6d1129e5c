"""What an earlier release left is migrated row by row, and used: its purchases are paid, its chains go on."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from sqlalchemy import MetaData, select

from roony.core.agent import Organization
from roony.core.audit import INSTALLATION, AuditRecord, verify
from roony.core.authorization import AuthorizationRequest
from roony.core.card import Card
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase
from roony.flows.authorization import AnswerAuthorization
from roony.flows.freeze import keep_freeze_cards
from roony.store.database import Database
from roony.store.inbox import answered_event
from roony.store.migrations import migrate, revisions
from roony.store.rows import OutboxPromise
from roony.store.till import Till
from tests.support.books import Books, Clock, writing_on
from tests.support.migrating import execute, stepped, structure
from tests.support.offline import offline_context
from tests.support.promises import open_money_is_held, sums_are_right
from tests.support.tills import DATABASES

DATA = Path(__file__).parent / "data"
DUMPS = sorted(DATA.glob("revision_*.sql"))
FIRST, FOURTH = DATA / "revision_0001.sql", DATA / "revision_0004.sql"
Rows = dict[str, list[dict[str, Any]]]


def load(database: Database, dump: Path) -> None:
    """Brings a dump into an empty database."""
    text = dump.read_text(encoding="utf-8")
    if database.path is not None:
        with closing(sqlite3.connect(database.path)) as connection:
            connection.executescript(text)
        return
    text = re.sub(r"CAST\(('(?:[^']|'')*') AS BLOB\)", r"convert_to(\1, 'UTF8')", text)
    text = re.sub(r"\bBLOB\b(?= NOT NULL,| ?,|$)", "BYTEA", text, flags=re.MULTILINE)
    with psycopg.connect(database.url.set(drivername="postgresql").render_as_string(False)) as connection:
        connection.execute(text.encode())


def rows(database: Database) -> Rows:
    """All rows of all tables as the database tells them, in an order of their own."""
    tables = MetaData()
    tables.reflect(database.engine)
    found = {
        name: [dict(row._mapping) for row in database.read(select(table))]
        for name, table in tables.tables.items()
        if name != "alembic_version"
    }
    return {name: sorted(some, key=lambda row: str(sorted(row.items()))) for name, some in found.items()}


def only(columns: Rows, after: Rows) -> Rows:
    """`after` with the tables and columns there were before."""
    kept = {
        name: [{key: row[key] for key in columns[name][0] if key in row} for row in after[name]] for name in columns
    }
    return {name: sorted(some, key=lambda row: str(sorted(row.items()))) for name, some in kept.items()}


def cardholders_of(tables: Rows) -> list[tuple[Any, ...]]:
    """What of the connections' rows is in a table of its own now; taken out of them."""
    found = [(row["id"], row.pop("cardholder"), row.pop("stripe_cardholder_id"), row["stripe_account"])
             for row in tables["connections"]]  # fmt: skip
    tables["connections"].sort(key=lambda row: str(sorted(row.items())))
    return sorted(row[:3] for row in found if row[3] is not None)


@pytest.fixture(params=DATABASES)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind with nothing in it."""
    postgres = request.param == "postgresql"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}/roony.db"
    database = Database(url, own_clock=True)
    yield database
    database.close()


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
class TestLastRelease:
    """For every schema that was released."""

    def test_its_steps_were_not_changed_since(self, empty: Database, dump: Path) -> None:
        load(empty, dump)
        released = structure(empty)
        stepped(empty, lambda config: command.stamp(config, "base"))
        for table in released:
            execute(empty, f"DROP TABLE {table}")
        stepped(empty, lambda config: command.upgrade(config, dump.stem.removeprefix("revision_")))
        assert structure(empty) == released

    def test_its_purchases_are_paid_and_its_chains_go_on(self, empty: Database, dump: Path) -> None:
        """Once every row is seen to be there after the migration."""
        load(empty, dump)
        before = rows(empty)
        assert all(before.values()), "a table of the dump has no rows"
        at = revisions().index(dump.stem.removeprefix("revision_"))
        assert migrate(empty) == revisions()[at + 1 :]
        if dump == FIRST:
            cardholders_of(before)
        after = rows(empty)
        after["outbox"] = [row for row in after["outbox"] if not row["id"].startswith("out_refreeze_")]
        assert only(before, after) == before
        assert all(of_its_purchase(row, after["purchases"]) for row in after["stripe_transactions"])
        with opened(empty) as books:
            use(books)


def of_its_purchase(booked: dict[str, Any], purchases: list[dict[str, Any]]) -> bool:
    """True if a capture or refund has what a report sums it by."""
    names = ("agent_id", "project_id", "merchant_key")
    expected = next((row for row in purchases if row["id"] == booked["purchase_id"]), dict.fromkeys(names))
    category = json.loads(booked["merchant"])["category"]
    return [booked[name] for name in (*names, "category")] == [*(expected[name] for name in names), category]


def test_cardholders_are_taken_out_of_their_connections(empty: Database) -> None:
    load(empty, FIRST)
    moved = cardholders_of(rows(empty))
    migrate(empty)
    found = [(row["connection_id"], row["params"], row["stripe_cardholder_id"]) for row in rows(empty)["cardholders"]]
    assert sorted(found) == moved
    stepped(empty, lambda config: command.downgrade(config, "0003"))
    assert cardholders_of(rows(empty)) == moved


def test_a_cardholder_that_is_still_to_be_made_goes_on(empty: Database) -> None:
    """Under the key of its open promise; one whose promise is over was refused."""
    load(empty, FIRST)
    stepped(empty, lambda config: command.upgrade(config, "0003"))
    execute(empty, "UPDATE connections SET stripe_cardholder_id = NULL")
    execute(empty, "UPDATE outbox SET attempt = 3, status = 'promised' WHERE kind = 'make_cardholder'")
    migrate(empty)
    assert {(row["status"], row["attempt"]) for row in rows(empty)["cardholders"]} == {("wanted", 3)}
    stepped(empty, lambda config: command.downgrade(config, "0003"))
    execute(empty, "UPDATE outbox SET status = 'dead' WHERE kind = 'make_cardholder'")
    migrate(empty)
    assert {row["status"] for row in rows(empty)["cardholders"]} == {"refused"}


@pytest.mark.parametrize("scope", ["organization", "project", "agent"])
def test_what_was_frozen_before_freezes_its_used_cards_too(empty: Database, scope: str) -> None:
    """Once, whatever was told when it was frozen; what is not frozen is left alone."""
    load(empty, FOURTH)
    [agent] = [row for row in rows(empty)["agents"] if row["name"] == "Stopped"]
    scope_id = agent["id" if scope == "agent" else f"{scope}_id"]
    execute(empty, "UPDATE agents SET frozen_at = NULL")
    execute(empty, f"UPDATE {scope}s SET frozen_at = 7 WHERE id = '{scope_id}'")  # noqa: S608 - ids of the dump
    [purchase] = [row for row in rows(empty)["purchases"] if row["agent_id"] == agent["id"]]
    # As a release before the fourth left it: whether its authorization falls away, only Stripe knows.
    execute(empty, f"UPDATE cards SET stripe_status = 'active' WHERE purchase_id = '{purchase['id']}'")  # noqa: S608
    migrate(empty)
    with opened(empty) as books, offline_context(books) as context:
        [promise] = books.rows(OutboxPromise, status="promised")
        assert (promise.kind, promise.subject) == ("freeze_cards", f"{scope}:{scope_id}")
        told = asyncio.run(keep_freeze_cards(context, promise))
        wanted = books.rows(OutboxPromise, status="promised", kind="set_card_status")
        card = books.row(Card, purchase_id=purchase["id"])
        assert card.status == "used"
        assert card.id in [row.subject for row in wanted]
        assert len(wanted) == told == (2 if scope == "organization" else 1)
        assert {json.loads(row.params)["status"] for row in wanted} == {"inactive"}
    stepped(empty, lambda config: command.downgrade(config, "0005"))
    migrate(empty)
    assert [row["status"] for row in rows(empty)["outbox"] if row["id"] == promise.id] == ["promised"]


@contextmanager
def opened(database: Database) -> Iterator[Books]:
    """The books of a migrated database."""
    clock, died = Clock(), list[BaseException]()
    till = Till(writing_on(database), clock, lambda: uuid.uuid4().hex, died.append)
    till.start()
    try:
        yield Books(database, till, clock)
    finally:
        till.stop()
    assert not died


def use(books: Books) -> None:
    """Pays a purchase that was ready, is refused a second payment, and verifies every chain."""
    purchase = books.row(Purchase, status="ready")
    # A moment after the newest of what there is.
    books.clock.now = books.row(Organization, id=purchase.organization_id).clock + 1_000_000
    answers = [books.run(authorization(books, purchase, f"iauth_{number}")) for number in range(2)]
    assert [(answer.approved, answer.code) for answer in answers] == [(True, "APPROVED"), (False, "CARD_USED")]
    assert books.row(Purchase, id=purchase.id).status == "authorized"
    sums_are_right(books)
    open_money_is_held(books)
    for organization in books.rows(Organization):
        chain = books.rows(AuditRecord, organization_id=organization.id)
        assert verify(chain, (organization.audit_sequence, organization.audit_hash)) is None
        assert chain or organization.id == INSTALLATION


def authorization(books: Books, purchase: Purchase, id: str) -> AnswerAuthorization:
    """The network asks for the whole amount of a purchase at its merchant."""
    card = books.row(Card, purchase_id=purchase.id)
    shop = Merchant("LINEAR", None, "5734", "US", "net_of_the_old")
    asked = AuthorizationRequest(
        authorization_id=id, stripe_card_id=card.stripe_card_id, ordinal=0, amount=purchase.amount, granted=0,
        currency="usd", merchant_amount=purchase.amount, merchant_currency="usd", merchant=shop, city="San Francisco",
        state="CA", network_transaction_id=f"nt_{id}", controllable=False, cashback_amount=0,
        created=books.clock() // 1_000_000,
    )  # fmt: skip
    event = answered_event(
        f"evt_{id}", "acct", False, "issuing_authorization.request", purchase.organization_id, id,
        books.clock() // 1_000_000, b"{}", books.clock(),
    )  # fmt: skip
    return AnswerAuthorization(purchase.organization_id, purchase.connection_id, asked, f"dec_{id}", event)
