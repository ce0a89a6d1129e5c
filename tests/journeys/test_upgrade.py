"""A database that an earlier release left is backed up, migrated and served by this one, and business goes on."""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from roony.store.database import Database
from tests.store.test_last_release import DUMPS, load
from tests.support.commands import run_roony
from tests.support.postgres import empty_database
from tests.support.served import BUDGETS, SOFTWARE, Installation, until
from tests.support.tills import DATABASES

ADMIN = "/api/v1/admin"
PRICE = 5_000


def count(url: str, table: str) -> int:
    """Rows of a table of the first organization that bought something."""
    database = Database(url)
    try:
        return int(database.read(select(func.count()).select_from(text(table)))[0][0])
    finally:
        database.close()


@pytest.mark.parametrize("backend", DATABASES)
def test_the_newest_released_schema_with_its_data_is_served(tmp_path: Path, backend: str) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(empty_database()) if backend == "postgresql" else None
        installation = stack.enter_context(Installation(tmp_path, url))
        where = installation.database_environment()
        old = Database(installation.database_url)
        load(old, DUMPS[-1])
        old.close()
        bought = count(installation.database_url, "purchases")
        records = count(installation.database_url, "audit_records")
        installation.start_simulator()
        if backend == "postgresql":
            # Other processes may run on the old schema: a person chooses the moment.
            refused = run_roony("serve", "--port", "0", **installation.environment())
            assert (refused.returncode, "run `roony migrate`" in refused.stderr) == (1, True)
        else:
            # The way back, made by the new release before anything else.
            assert run_roony("backup", str(tmp_path / "before"), **where).returncode == 0
        assert run_roony("migrate", **where).returncode == 0
        assert run_roony("migrate", **where).stdout.startswith("The schema is up to date")

        made = run_roony("init", "--new-key", "--json", **where)
        assert made.returncode == 0, made.stderr
        key = json.loads(made.stdout)["admin_key"]
        installation.start_roony()
        owner = installation.caller(key)

        assert len(owner.get(f"{ADMIN}/purchases", params={"limit": 200})["data"]) == bought
        checked = owner.send("POST", f"{ADMIN}/audit/verify", {})
        assert (checked["problem"], checked["next_cursor"]) == (None, None)
        assert checked["records"] >= records
        exported = tmp_path / "chain.jsonl"
        done = run_roony("audit", "export", "--output", str(exported), ROONY_URL=installation.url, ROONY_ADMIN_KEY=key)
        assert done.returncode == 0, done.stderr
        assert run_roony("audit", "verify", str(exported)).returncode == 0

        # The account of the dump is not known to this Stripe: its cards cannot be ended, which is said; money goes on
        # with another one.
        [known] = owner.get(f"{ADMIN}/connections")["data"]
        owner.call("POST", f"{ADMIN}/connections/{known['id']}/disconnect", {})
        until(lambda: owner.get(f"{ADMIN}/connections/{known['id']}")["status"], "revoked")
        connection = owner.send("POST", f"{ADMIN}/connections", {"kind": "direct"}, 201)
        until(lambda: owner.get(f"{ADMIN}/connections/{connection['id']}")["status"], "active")
        agent = owner.send("POST", f"{ADMIN}/agents", {"name": "new", "budgets": BUDGETS}, 201)
        wish = {"amount": PRICE, "currency": "usd", "description": "x", "merchant": {"name": "New Shop", **SOFTWARE}}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        buyer = installation.caller(agent["key"])
        asked = buyer.send("POST", "/api/v1/purchase_intents", wish, 201, headers=headers)
        assert asked["status"] == "ready", asked
        [card] = owner.get(f"{ADMIN}/cards", params={"purchase_id": asked["id"]})["data"]
        network = installation.stripe().v1.test_helpers.issuing.authorizations
        shop = {"name": "NEW SHOP", **SOFTWARE}
        paid = network.create({"card": card["stripe_card_id"], "amount": PRICE, "merchant_data": shop})  # type: ignore[typeddict-item]
        assert paid.approved, paid.request_history
        network.capture(paid.id)
        until(lambda: owner.get(f"{ADMIN}/purchases/{asked['id']}")["status"], "settled")
