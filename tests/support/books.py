"""A till on a fresh database with one organization, for tests that drive commands without any Stripe."""

from __future__ import annotations

import functools
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import select

from roony.core.agent import Agent, Organization, Project
from roony.core.authorization import AuthorizationRequest
from roony.core.budget import PERIODS, Budget
from roony.core.cardholder import NOTHING_DUE, Cardholder
from roony.core.connection import Connection
from roony.core.control import Control
from roony.core.decision import Ask
from roony.core.ledger import Entry
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase
from roony.core.user import User
from roony.flows.authorization import AnswerAuthorization, Answered
from roony.flows.card import MadeCard, RecordCard
from roony.flows.purchase import AskIds, AskPurchase
from roony.store import tables
from roony.store.database import INSTALLATION_ROW, Database
from roony.store.inbox import answered_event
from roony.store.migrations import migrate
from roony.store.rows import AccountRoute, InboxEvent
from roony.store.statements import write_row
from roony.store.tables import TABLE_OF
from roony.store.till import Till
from roony.store.writer import Writer

# For a connection of PostgreSQL.
PATIENT = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
NOW = 1_795_392_000_000_000
ORG, PROJECT, AGENT, CONNECTION, ACCOUNT = "org_1", "prj_1", "agt_1", "con_1", "acct_1"


class Clock:
    """A clock that stands still until it is moved; microseconds UTC."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)


class Books:
    """The till under test, and short ways to ask, answer and look."""

    def __init__(self, database: Database, till: Till, clock: Clock) -> None:
        self.database = database
        self.till = till
        self.clock = clock
        self._numbers: dict[str, int] = {}

    def new_id(self, prefix: str) -> str:
        """Readable ids: pur_1, pur_2, …"""
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return f"{prefix}_{self._numbers[prefix]}"

    def run(self, command: Any) -> Any:
        """Submits and waits."""
        return self.till.submit_and_wait(command)

    def put(self, *rows: tuple[Any, ...]) -> None:
        """Writes rows as they are, past every rule."""

        def work(writer: Writer) -> None:
            for row in rows:
                writer.run(write_row(TABLE_OF[type(row)], writer.backend), row)

        self.till.write_and_wait(work)

    def rows(self, row: type, **where: Any) -> list[Any]:
        """All rows of a type that fit."""
        table = TABLE_OF[row]
        statement = select(table)
        for name, value in where.items():
            statement = statement.where(table.c[name] == value)
        statement = statement.order_by(*table.primary_key.columns)
        return [row(*found) for found in self.database.read(statement)]

    def entries(self) -> list[Any]:
        """All entries there ever were, those in the archive too."""
        archived = [Entry(*found) for found in self.database.read(select(tables.entries_archive))]
        return sorted([*archived, *self.rows(Entry)])

    def events(self) -> list[Any]:
        """All Stripe events there ever were; of one that came again after it was archived, the first row."""
        archived = [InboxEvent(*found) for found in self.database.read(select(tables.inbox_archive))]
        return list({event.id: event for event in (*self.rows(InboxEvent), *archived)}.values())

    def row(self, row: type, **where: Any) -> Any:
        """The one row that fits."""
        found = self.rows(row, **where)
        assert len(found) == 1, found
        return found[0]

    def ask(self, amount: int = 12_999, merchant: str = "Figma", **more: Any) -> Any:
        """One ask of the only agent."""
        return self.run(self.ask_command(amount, merchant, **more))

    def ask_command(self, amount: int = 12_999, merchant: str = "Figma", **more: Any) -> AskPurchase:
        """The command of one ask, not yet submitted."""
        ask = Ask(
            amount,
            more.pop("currency", "usd"),
            more.pop("about", None) or Merchant(merchant, None, "5734", "US", None),
            task_id=more.pop("task", None),
            allow_duplicate=more.pop("allow_duplicate", False),
            merchant_lock=more.pop("merchant_lock", None),
            recurring=more.pop("recurring", None),
        )
        ids = AskIds(*(self.new_id(prefix) for prefix in ("pur", "hold", "apr", "crd", "out")))
        return AskPurchase(
            ORG,
            AGENT,
            PROJECT,
            ask,
            "a thing",
            "{}",
            more.pop("key", None),
            more.pop("body_hash", f"{amount}|{merchant}"),
            ids,
        )

    def ready(self, amount: int = 12_999, merchant: str = "Figma", **more: Any) -> Purchase:
        """An approved purchase with its card recorded as ic_<purchase id>."""
        asked = self.ask(amount, merchant, **more)
        made = MadeCard(f"ic_{asked.purchase.id}", "active", "4242", 12, 2030)
        return self.run(RecordCard(ORG, asked.purchase.card_id, made, self.new_id("out"), asked.promise))

    def authorize(self, purchase: Purchase | str, amount: int = 12_999, name: str = "FIGMA", **more: Any) -> Answered:
        """One real-time request on a purchase's card, or on a Stripe card id."""
        return self.run(self.authorization_command(purchase, amount, name, **more))

    def authorization_command(
        self, purchase: Purchase | str, amount: int = 12_999, name: str = "FIGMA", **more: Any
    ) -> AnswerAuthorization:
        """The command of one real-time request, not yet submitted."""
        card = purchase if isinstance(purchase, str) else f"ic_{purchase.id}"
        fields: dict[str, Any] = {
            "authorization_id": "iauth_1",
            "stripe_card_id": card,
            "ordinal": 0,
            "amount": amount,
            "granted": 0,
            "currency": "usd",
            "merchant_amount": amount,
            "merchant_currency": "usd",
            "merchant": Merchant(name, None, "5734", "US", "net_1" if name == "FIGMA" else f"net_{name}"),
            "city": "San Francisco",
            "state": "CA",
            "network_transaction_id": "nt_1",
            "controllable": False,
            "cashback_amount": 0,
            "created": NOW // 1_000_000,
        }
        fields.update(more)
        event = answered_event(
            f"evt_{uuid.uuid4().hex}", ACCOUNT, False, "issuing_authorization.request", ORG, fields["authorization_id"],
            NOW // 1_000_000, b"{}", self.clock(),
        )  # fmt: skip
        return AnswerAuthorization(ORG, CONNECTION, AuthorizationRequest(**fields), self.new_id("dec"), event)

    def freeze(self, row: type = Agent) -> None:
        """Freezes a scope by writing its row, with a new config_version."""
        for found in self.rows(row):
            if found.id != "installation":
                self.put(found._replace(frozen_at=self.clock()))
        self.reconfigure()

    def reconfigure(self) -> None:
        """Gives the organization a new config_version, as every change through a command does."""
        organization = self.row(Organization, id=ORG)
        self.put(organization._replace(config_version=uuid.uuid4().hex))

    def controls(self, scope_id: str = AGENT, scope: str = "agent", **fields: Any) -> None:
        """Sets controls of a scope."""
        self.put(Control(ORG, f"ctl_{scope_id}", scope, scope_id, 1, json.dumps(fields), NOW))
        self.reconfigure()

    def limit(self, scope_id: str, period: str, amount: int | None) -> None:
        """Sets the limit of one budget."""
        self.put(self.row(Budget, scope_id=scope_id, period=period)._replace(limit_amount=amount))
        self.reconfigure()


def user(id: str, role: str = "approver") -> User:
    """One of the organization's people."""
    return User(ORG, id, id, f"{id}@example.com", role, NOW, None)


def holder(stripe_id: str | None, connection_id: str = CONNECTION, organization_id: str = ORG) -> Cardholder:
    """The organization's own cardholder on a connection, made or wanted."""
    return Cardholder(
        organization_id, connection_id, organization_id, "organization", "{}", 1, stripe_id,
        "active" if stripe_id else "wanted", NOTHING_DUE, 0, NOW, NOW,
    )  # fmt: skip


def seed() -> list[tuple[Any, ...]]:
    """One organization, project, agent and active connection; 5,000.00 a month for the agent."""
    organization = INSTALLATION_ROW._replace(
        id=ORG, name="Test Company", connection_id=CONNECTION, delivery="raw", config_version="1", created_at=NOW
    )
    rows: list[tuple[Any, ...]] = [
        organization,
        Project(ORG, PROJECT, "Research", None, NOW),
        Agent(ORG, AGENT, PROJECT, "[]", "Buyer", "", None, None, NOW),
        Connection(ORG, CONNECTION, "connect", "active", ACCOUNT, 0, "read_write", "usd", None, NOW, NOW),
        holder("ich_1"),
        AccountRoute(ACCOUNT, 0, ORG, CONNECTION),
    ]
    for scope, scope_id in (("organization", ORG), ("project", PROJECT), ("agent", AGENT)):
        for period in PERIODS:
            limit = 500_000 if (scope, period) == ("agent", "month") else None
            rows.append(Budget(ORG, f"bud_{scope}_{period}", scope, scope_id, "usd", period, "UTC", limit, NOW))
    return rows


def everything_in(database: Database) -> bytes:
    """Every byte of a SQLite file and what lies beside it, or the text of every row on PostgreSQL."""
    if database.path is not None:
        return b"".join(path.read_bytes() for path in database.path.parent.glob(f"{database.path.name}*"))
    rows = [row for table in tables.metadata.sorted_tables for row in database.read(select(table))]
    return "\n".join(map(str, rows)).encode()


@functools.cache
def built_file() -> bytes:
    """A SQLite file with Roony's tables and nothing else; each process that tests makes it once.

    In WAL mode, as a till leaves it: to change over would be more work for the disk than most tests are.
    """
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/roony.db")
        migrate(database)
        database.open_writer().close()
        database.close()
        return Path(folder, "roony.db").read_bytes()


def lay_file(path: Path) -> None:
    """A SQLite database with the tables, as `roony migrate` leaves it: for a Roony that starts on a fresh one."""
    if not path.exists():
        path.touch(0o600)
        path.write_bytes(built_file())


def build_tables(database: Database) -> None:
    """Makes the tables in a database that has none."""
    if database.path is not None:
        if not database.path.exists() or database.path.stat().st_size == 0:
            database.path.write_bytes(built_file())
        return
    if database.read(sqlalchemy.text("SELECT to_regclass('organizations')")) == [(None,)]:
        engine = sqlalchemy.create_engine(database.url)
        tables.metadata.create_all(engine)
        engine.dispose()


def writing_on(database: Database) -> Callable[[], Writer]:
    """What a till of a test opens. On SQLite it waits for no disk: only a loss of power would lose what it wrote.

    A test that waits for the disk at each commit takes two or three times as long. On PostgreSQL no statement is too
    slow and no transaction idle for too long: a machine with much else to do may leave either alone for seconds.
    """

    def open_writer() -> Writer:
        writer = database.open_writer()
        writer.run("PRAGMA synchronous = OFF" if database.is_sqlite else PATIENT)
        return writer

    return open_writer


@contextmanager
def open_books(folder: Path, url: str | None = None) -> Iterator[Books]:
    """Books on a fresh SQLite file in `folder`, or on the fresh database at `url`, with or without the tables."""
    database = Database(url or f"sqlite:///{folder / 'roony.db'}", own_clock=True)
    build_tables(database)
    clock = Clock()
    died: list[BaseException] = []
    till = Till(writing_on(database), clock, lambda: uuid.uuid4().hex, died.append)
    till.start()
    books = Books(database, till, clock)
    try:
        books.put(*seed())
        yield books
    finally:
        till.stop()
        database.close()
        assert not died, died
