"""A backup made under load, a lost database, what is put back: the books end as Stripe's, nothing is overspent."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from sqlalchemy import select

from roony.core.agent import Organization
from roony.core.audit import AuditRecord, verify
from roony.core.budget import Budget, BudgetPeriod
from roony.core.purchase import Purchase
from roony.store.database import Database
from roony.store.tables import TABLE_OF
from tests.support.commands import run_roony
from tests.support.company import PRICE, Company
from tests.support.postgres import empty_database, programs
from tests.support.served import SOFTWARE, Installation, until
from tests.support.tills import DATABASES

_PERIODS = TABLE_OF[BudgetPeriod]
BUYERS = 3
# Bought and paid before the backup is made, and again while and after it is.
SOME = 4
RECOVERY_SECONDS = 60.0


class Load:
    """Buyers who ask, pay and are charged, one purchase after the other, until they are told to stop."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.paid: dict[str, str] = {}
        self.failed: list[BaseException] = []
        self._stop = threading.Event()
        self._more = threading.Condition()
        self._threads = [threading.Thread(target=self._buy, daemon=True) for _ in range(BUYERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _buy(self) -> None:
        try:
            while not self._stop.is_set():
                purchase, card = self.company.buy()
                self.company.pay(purchase, card)
                with self._more:
                    self.paid[purchase] = card
                    self._more.notify_all()
        except BaseException as error:
            with self._more:
                self.failed.append(error)
                self._more.notify_all()

    def wait_for(self, more: int) -> None:
        """Until so many more were paid."""
        with self._more:
            wanted = len(self.paid) + more
            assert self._more.wait_for(lambda: self.failed or len(self.paid) >= wanted, RECOVERY_SECONDS)
            assert not self.failed


class Place:
    """Where the books are, how they are copied while somebody writes, lost and put back."""

    def __init__(self, folder: Path, backend: str, stack: ExitStack) -> None:
        self.folder, self.backend, self._stack = folder, backend, stack
        self.copy = folder / "copy.roony"
        self.url: str | None = None
        if backend == "postgresql":
            self.url = stack.enter_context(empty_database())
            self.bin = programs()
            if self.bin is None or not (self.bin / "pg_dump").exists():
                pytest.skip("pg_dump is not installed: Debian's postgresql-client has it")
            assert run_roony("migrate", ROONY_DATABASE_URL=self.url).returncode == 0

    def back_up(self, installation: Installation) -> None:
        """Beside a server that goes on."""
        if self.backend == "postgresql":
            self._run("pg_dump", "--format=custom", f"--file={self.copy}", installation.database_url)
            return
        done = run_roony("backup", str(self.copy), "--online", **installation.database_environment())
        assert done.returncode == 0, done.stderr

    def lose_and_restore(self, installation: Installation) -> str:
        """The database is gone; what `roony restore` prints."""
        if self.backend == "postgresql":
            installation.database_url = self._stack.enter_context(empty_database())
            self._run("pg_restore", "--no-owner", f"--dbname={installation.database_url}", str(self.copy))
            done = run_roony("restore", "--in-place", **installation.database_environment())
        else:
            for file in self.folder.glob("roony.db*"):
                file.unlink()
            done = run_roony("restore", str(self.copy), **installation.database_environment())
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lose_and_put_back(self, installation: Installation) -> None:
        """As `lose_and_restore`, by somebody who has not read that `roony restore` belongs to it."""
        if self.backend == "postgresql":
            installation.database_url = self._stack.enter_context(empty_database())
            self._run("pg_restore", "--no-owner", f"--dbname={installation.database_url}", str(self.copy))
            return
        for file in self.folder.glob("roony.db*"):
            if file.suffix in (".db", ".db-wal", ".db-shm"):
                file.unlink()
        shutil.copy(self.copy, self.folder / "roony.db")

    def _run(self, program: str, *arguments: str) -> None:
        assert self.bin is not None
        done = subprocess.run([self.bin / program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def reading(url: str) -> Iterator[Database]:
    """The books, past Roony."""
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def rows(url: str, row: type) -> list[Any]:
    with reading(url) as database:
        return [row(*found) for found in database.read(select(TABLE_OF[row]))]


def captured_at_stripe(company: Company) -> dict[str, int]:
    """What merchants took on each card, in minor units."""
    sums: dict[str, int] = {}
    for transaction in company.stripe.v1.issuing.transactions.list({"limit": 100}).auto_paging_iter():
        card = transaction.card if isinstance(transaction.card, str) else transaction.card.id
        sums[card] = sums.get(card, 0) - transaction.amount
    return sums


def charge(company: Company, card: str) -> Any:
    """A merchant of nobody's asks for the price."""
    shop = {"name": "ANY SHOP", **SOFTWARE}
    helper = company.stripe.v1.test_helpers.issuing.authorizations
    return helper.create({"card": card, "amount": PRICE, "merchant_data": shop})  # type: ignore[typeddict-item]


def faults(company: Company, *rules: dict[str, Any]) -> None:
    """What goes wrong at Stripe from now on."""
    assert company.installation.simulator is not None
    url = f"{company.installation.simulator.ready['url']}/_simulator/faults"
    assert httpx2.post(url, json=list(rules), trust_env=False, timeout=60, verify=False).status_code == 200


@pytest.mark.parametrize("backend", DATABASES)
def test_a_database_that_was_lost_is_put_back_from_a_backup_made_under_load(tmp_path: Path, backend: str) -> None:
    """P1, P8, P11: what the copy knows ends as at Stripe, what it does not know can pay no more and is told, and until
    all that has been fetched nothing is approved."""
    with ExitStack() as stack:
        place = Place(tmp_path, backend, stack)
        installation = stack.enter_context(Installation(tmp_path, place.url))
        company = Company(installation)
        bought_before, card_before = company.buy()
        unused, unused_card = company.buy()
        with Load(company) as load:
            load.wait_for(SOME)
            before = set(load.paid)
            place.back_up(installation)
            company.pay(bought_before, card_before)
            load.wait_for(SOME)
        assert not load.failed
        assert installation.roony is not None
        installation.roony.stop()

        told = place.lose_and_restore(installation)

        assert "1 connected Stripe accounts catch up at the next start" in told
        known = {row.id: row for row in rows(installation.database_url, Purchase)}
        assert before | {bought_before, unused} <= set(known)
        lost = {purchase: card for purchase, card in load.paid.items() if purchase not in known}
        assert lost, "nothing was bought after the backup"
        faults(company, {"endpoint": "GET /v1/events", "kind": "rate_limit"})
        installation.start_roony()
        assert connection(company)["catching_up_since"] is not None
        assert not charge(company, unused_card).approved
        assert ask(company)["decision"]["reasons"][0]["code"] == "CONNECTION_INACTIVE"
        faults(company)
        until(lambda: connection(company)["catching_up_since"], None, RECOVERY_SECONDS)

        until(lambda: company.status(bought_before), "settled")
        at_stripe = captured_at_stripe(company)
        cards = {row["purchase_id"]: row["stripe_card_id"] for row in listed(company, "cards")}
        for purchase in known:
            now = company.owner.get(f"/api/v1/admin/purchases/{purchase}")
            assert now["captured_amount"] == at_stripe.get(cards.get(purchase, ""), 0)
        findings = [row for row in listed(company, "discrepancies") if row["kind"] == "missing_here"]
        assert {row["subject"] for row in findings} >= set(lost.values())
        for card in lost.values():
            until(lambda card=card: company.stripe.v1.issuing.cards.retrieve(card).status, "canceled")  # type: ignore[misc]
        nothing_is_overspent(installation.database_url)
        # And it goes on.
        company.pay(*company.buy())


@pytest.mark.parametrize("backend", DATABASES)
def test_a_copy_that_was_put_back_without_the_command_approves_nothing_blindly(tmp_path: Path, backend: str) -> None:
    """P11: a copy of minutes ago, which no gap tells, knows less of a card than Stripe does."""
    with ExitStack() as stack:
        place = Place(tmp_path, backend, stack)
        installation = stack.enter_context(Installation(tmp_path, place.url))
        company = Company(installation)
        bought, card = company.buy()
        place.back_up(installation)
        company.pay(bought, card)
        assert installation.roony is not None
        installation.roony.stop()
        place.lose_and_put_back(installation)
        faults(company, {"endpoint": "GET /v1/events", "kind": "rate_limit"})
        installation.start_roony()
        assert connection(company)["catching_up_since"] is not None
        assert not charge(company, card).approved
        faults(company)
        until(lambda: connection(company)["catching_up_since"], None, RECOVERY_SECONDS)
        until(lambda: company.status(bought), "settled")
        nothing_is_overspent(installation.database_url)
        # A restart is no copy.
        installation.roony.stop()
        installation.start_roony()
        assert connection(company)["catching_up_since"] is None


def connection(company: Company) -> dict[str, Any]:
    [row] = company.owner.get("/api/v1/admin/connections")["data"]
    return dict(row)


def listed(company: Company, what: str) -> list[dict[str, Any]]:
    return list(company.owner.get(f"/api/v1/admin/{what}", params={"limit": 200})["data"])


def ask(company: Company) -> dict[str, Any]:
    """One more purchase, however it is decided."""
    wish = {"amount": PRICE, "currency": "usd", "description": "x", "merchant": {"name": "Any Shop", **SOFTWARE}}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    return dict(company.agent.send("POST", "/api/v1/purchase_intents", wish, 201, headers=headers))


def nothing_is_overspent(url: str) -> None:
    """No budget holds and has spent more than its limit, and every chain is whole from its beginning on."""
    with reading(url) as database:
        periods = database.read(
            select(TABLE_OF[Budget].c.limit_amount, _PERIODS.c.held + _PERIODS.c.spent).join(
                _PERIODS, _PERIODS.c.budget_id == TABLE_OF[Budget].c.id
            )
        )
    assert periods
    assert all(limit is None or used <= limit for limit, used in periods)
    chains = rows(url, AuditRecord)
    for organization in rows(url, Organization):
        chain = sorted((row for row in chains if row.organization_id == organization.id), key=lambda row: row.sequence)
        assert verify(chain, (organization.audit_sequence, organization.audit_hash)) is None
        assert "database.restored" in {row.action for row in chain}, json.dumps(organization._asdict())
