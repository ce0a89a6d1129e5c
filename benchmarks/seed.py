"""A database full of purchases whose cards wait for their one authorization."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from roony.core.agent import Agent, Organization, Project
from roony.core.audit import GENESIS
from roony.core.budget import PERIODS, Budget, BudgetPeriod, period_start
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.control import Control
from roony.core.ledger import Entry, Hold
from roony.core.purchase import Purchase
from roony.store.database import Database
from roony.store.rows import AccountRoute
from roony.store.tables import TABLE_OF
from roony.store.writer import Writer

AMOUNT = 12_999
CHUNK = 2_000


class Numbered(NamedTuple):
    """A purchase by its number, with that of its organization; its card at Stripe is `ic_bench` and the number."""

    number: int
    organization: int

    @property
    def card(self) -> str:
        """The id of its card at Stripe."""
        return f"ic_bench{self.number}"


def seed(
    database: Database,
    purchases: int,
    organizations: int = 1,
    first: int = 0,
    step: Callable[[int], None] | None = None,
) -> list[Numbered]:
    """Writes `purchases` rows of `organizations` new ones past the till, in chunks; numbers begin at `first`.

    `step` is told after each chunk how many purchases it had.
    """
    now = time.time_ns() // 1000
    writer = database.open_writer()
    made: list[Numbered] = []
    try:
        for number in range(organizations):
            write(writer, _organization(first + number, now))
        for start in range(0, purchases, CHUNK):
            some = [
                Numbered(first + number, first + number % organizations)
                for number in range(start, min(start + CHUNK, purchases))
            ]
            write(writer, [row for each in some for row in _purchase(*each, now)])
            made += some
            if step is not None:
                step(len(some))
    finally:
        writer.close()
    return made


def write(writer: Writer, rows: list[Any]) -> None:
    """Writes rows of any kinds in one commit, past the till."""
    kinds: dict[type, list[Any]] = {}
    for row in rows:
        kinds.setdefault(type(row), []).append(row)
    writer.begin([])
    for kind, items in kinds.items():
        writer.write_rows(TABLE_OF[kind], items)
    writer.commit()


def _organization(number: int, now: int) -> list[Any]:
    org, project, agent, connection = f"org_b{number}", f"prj_b{number}", f"agt_b{number}", f"con_b{number}"
    fields = json.dumps({"allowed_categories": ["software"], "allowed_countries": ["US"]})
    rows: list[Any] = [
        Organization(
            id=org, name="Bench", currency="usd", time_zone="UTC", connection_id=connection, frozen_at=None,
            unknown_cards="decline", delivery="raw", unbudgeted=0, settings="{}", config_version=uuid.uuid4().hex,
            audit_sequence=0, audit_hash=GENESIS, clock=now, created_at=now,
        ),
        Project(organization_id=org, id=project, name="Bench", frozen_at=None, created_at=now),
        Agent(
            organization_id=org, id=agent, project_id=project, project_ids="[]", name="Bench", description="",
            frozen_at=None, public_key=None, created_at=now,
        ),
        Connection(
            organization_id=org, id=connection, kind="connect", status="active", stripe_account=f"acct_b{number}",
            livemode=0, scope="read_write", currency="usd", status_reason=None, created_at=now, updated_at=now,
            activated_at=now,
        ),
        AccountRoute(stripe_account=f"acct_b{number}", livemode=0, organization_id=org, connection_id=connection),
        Control(
            organization_id=org, id=f"ctl_b{number}", scope="agent", scope_id=agent, version=1, fields=fields,
            updated_at=now,
        ),
    ]  # fmt: skip
    for scope, scope_id in (("organization", org), ("project", project), ("agent", agent)):
        for period in PERIODS:
            budget = Budget(org, f"bud_{scope}_{period}_{number}", scope, scope_id, "usd", period, "UTC", 10**11, now)
            rows += [budget, BudgetPeriod(org, budget.id, period_start(period, "UTC", now), 0, 0)]
    return rows


def _purchase(number: int, organization: int, now: int) -> list[Any]:
    org, id, hold, card = f"org_b{organization}", f"pur_b{number}", f"hold_b{number}", f"crd_b{number}"
    merchant = json.dumps({"name": f"Merchant {number % 500}", "category": "5734", "country": "US"})
    scopes = ("agent", "project", "organization")
    periods = [
        [f"bud_{scope}_{period}_{organization}", period_start(period, "UTC", now)]
        for scope in scopes
        for period in PERIODS
    ]
    return [
        Purchase(
            organization_id=org, id=id, agent_id=f"agt_b{organization}", project_id=f"prj_b{organization}",
            task_id=None, connection_id=f"con_b{organization}", status="ready", amount=AMOUNT, currency="usd",
            hold_id=hold, hold_amount=AMOUNT, held=AMOUNT, spent=0, captured=0, loose_captured=0, refunded=0,
            entry_count=1, card_id=card, approval_id=None, merchant_key=f"merchant {number % 500}",
            merchant_lock="strict", merchant=merchant, description="", metadata="{}",
            decision='{"verdict":"approved","reasons":[]}', failure=None, fingerprint=f"fp{number}", ended_at=None,
            ended_reason=None, created_at=now, updated_at=now,
        ),
        Hold(
            organization_id=org, id=hold, purchase_id=id, amount=AMOUNT, currency="usd", periods=json.dumps(periods),
            created_at=now,
        ),
        Entry(
            organization_id=org, purchase_id=id, sequence=1, hold_id=hold, kind="hold", held=AMOUNT, spent=0, at=now
        ),
        Card(
            organization_id=org, id=card, purchase_id=id, connection_id=f"con_b{organization}",
            stripe_card_id=f"ic_bench{number}", status="active", stripe_status="active", currency="usd",
            hard_limit=AMOUNT, last4="4242", exp_month=12, exp_year=2030, expires_at=now + 3_600_000_000, deliveries=0,
            created_at=now, updated_at=now,
        ),
    ]  # fmt: skip
