"""An account looked at and set up over HTTP: preflight, its own webhook endpoint, and who its secret speaks for."""

from __future__ import annotations

import json
import resource
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from roony.core.authorization import STRIPE_VERSION
from roony.flows.inbox import HANDLED_TYPES
from roony.store.database import Database
from roony.store.tables import connection_secrets
from roony.store.vault import Vault, row_name
from tests.support.commands import run_roony
from tests.support.served import Simulation, sdk, sign, unique, until

REQUEST = "issuing_authorization.request"
ADMIN = "/api/v1/admin"


@pytest.fixture
def secret(roony: Simulation) -> str:
    """The secret of the account's own endpoint, which nobody but Roony was told."""
    roony.owner.send("POST", path_of(roony, "/setup_webhooks"), {})
    return secret_of(roony)


def connection(roony: Simulation) -> dict[str, Any]:
    [row] = roony.owner.get(f"{ADMIN}/connections")["data"]
    return dict(row)


def path_of(roony: Simulation, what: str = "") -> str:
    return f"{ADMIN}/connections/{connection(roony)['id']}{what}"


def statuses(checks: list[dict[str, Any]]) -> dict[str, str]:
    return {check["id"]: check["status"] for check in checks}


def cardholder(roony: Simulation) -> str:
    """A purchase makes it, if none has yet."""
    roony.buyer().buy(1_000, unique("Figma"))
    return str(connection(roony)["stripe_cardholder_id"])


def own_endpoints(roony: Simulation) -> list[Any]:
    return list(roony.stripe.v1.webhook_endpoints.list().data)


class TestPreflight:
    """What is looked at, and what only the owner can say."""

    def test_on_connecting_it_is_kept_and_shown(self, roony: Simulation) -> None:
        until(lambda: connection(roony)["preflight"] is not None, True)
        kept = connection(roony)["preflight"]
        assert statuses(kept["checks"])["issuing_capability"] == "ok"
        assert kept["summary"].startswith("Not sure yet: Nobody has confirmed it")

    def test_on_demand_everything_is_named_with_what_to_do(self, roony: Simulation) -> None:
        cardholder(roony)
        # A test before may have left a word of the owner's.
        roony.owner.send("POST", path_of(roony, "/confirm"), {"realtime_url": False, "timeout_declines": False})
        found = roony.owner.get(path_of(roony, "/preflight"))["checks"]
        assert statuses(found) == {
            "stripe_access": "ok", "livemode": "ok", "issuing_capability": "ok", "issuing_balance": "ok",
            "cardholder": "ok", "webhook_endpoint": "ok", "webhook_events": "ok", "realtime_event": "ok",
            "webhook_version": "warning", "realtime_url": "unknown", "timeout_declines": "unknown",
            "other_cards": "ok", "public_url": "warning",
        }  # fmt: skip
        assert all(check["next"] for check in found if check["status"] != "ok")

    def test_what_is_missing_is_missing(self, roony: Simulation) -> None:
        holder = cardholder(roony)
        roony.control(f"accounts/{roony.account}", {"card_issuing": "inactive"})
        roony.control(f"cardholders/{holder}", {"past_due": ["individual.first_name"]})
        try:
            found = roony.owner.get(path_of(roony, "/preflight"))["checks"]
            assert statuses(found)["issuing_capability"] == "missing"
            assert statuses(found)["cardholder"] == "missing"
            assert connection(roony)["restricted_reason"]["code"] == "capability_inactive"
        finally:
            roony.control(f"accounts/{roony.account}", {"card_issuing": "active"})
            roony.control(f"cardholders/{holder}", {"past_due": []})
        until(lambda: connection(roony)["status"], "active")

    def test_a_read_that_only_helps_restricts_nothing(self, roony: Simulation) -> None:
        roony.control("faults", [{"endpoint": "GET /v1/balance", "kind": "forbidden"}])
        try:
            found = roony.owner.get(path_of(roony, "/preflight"))["checks"]
            assert statuses(found)["issuing_balance"] == "unknown"
            assert connection(roony)["status"] == "active"
        finally:
            roony.control("faults", [])

    def test_a_low_balance_warns_at_the_owners_threshold(self, roony: Simulation) -> None:
        def low() -> list[str]:
            rows = roony.owner.get(f"{ADMIN}/alerts", params={"status": "open"})["data"]
            return [row["kind"] for row in rows if row["kind"] == "issuing_balance_low"]

        organization = roony.owner.send("PATCH", f"{ADMIN}/organization", {"low_balance_amount": 10**11})
        assert organization["low_balance_amount"] == 10**11
        found = roony.owner.get(path_of(roony, "/preflight"))["checks"]
        assert (statuses(found)["issuing_balance"], low()) == ("warning", ["issuing_balance_low"])
        roony.owner.send("PATCH", f"{ADMIN}/organization", {"low_balance_amount": 0})
        roony.advance(3_700)  # the hourly look
        until(low, [])

    def test_what_the_owner_confirms(self, roony: Simulation) -> None:
        body = {"realtime_url": True, "timeout_declines": True, "other_cards": "decline"}
        roony.owner.send("POST", path_of(roony, "/confirm"), body)
        found = roony.owner.get(path_of(roony, "/preflight"))["checks"]
        assert {statuses(found)[name] for name in ("realtime_url", "timeout_declines")} == {"ok"}
        roony.owner.send("POST", path_of(roony, "/confirm"), {"realtime_url": False, "timeout_declines": False})
        found = roony.owner.get(path_of(roony, "/preflight"))["checks"]
        assert {statuses(found)[name] for name in ("realtime_url", "timeout_declines")} == {"unknown"}


class TestItsOwnEndpoint:
    """Made on the account itself, once; its secret speaks for this connection and no other."""

    def test_made_once_and_brought_in_line(self, roony: Simulation) -> None:
        made = roony.owner.send("POST", path_of(roony, "/setup_webhooks"), {})
        [endpoint] = own_endpoints(roony)
        # Of others before it, which were rolled, the secrets count for a while.
        current = [one["id"] for one in made["webhook_endpoints"] if one["secret_until"] is None]
        assert current == [endpoint.id]
        assert endpoint.url == f"{roony.url}/api/webhooks/stripe?connection={made['id']}"
        assert endpoint.api_version == STRIPE_VERSION
        assert set(endpoint.enabled_events) == HANDLED_TYPES | {REQUEST}

        roony.stripe.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": [REQUEST], "disabled": True})
        roony.owner.send("POST", path_of(roony, "/setup_webhooks"), {})
        [again] = own_endpoints(roony)
        assert (again.id, again.status) == (endpoint.id, "enabled")
        assert set(again.enabled_events) == HANDLED_TYPES | {REQUEST}

    def test_it_answers_and_its_events_are_booked(self, roony: Simulation) -> None:
        """The simulator asks an account's own endpoint before the platform's."""
        roony.owner.send("POST", path_of(roony, "/setup_webhooks"), {})
        buyer = roony.buyer()
        bought = buyer.buy(5_000, "Figma")
        paid = roony.charge(bought.stripe_card, 5_000, "Figma")
        assert (paid.approved, paid.request_history[-1].reason) == (True, "webhook_approved")
        roony.settle()
        assert roony.discrepancies(purchase_id=bought.id) == []

    def test_a_rolled_secret_counts_at_once_and_the_old_one_for_an_hour(self, roony: Simulation) -> None:
        before = {one["id"] for one in connection(roony)["webhook_endpoints"]}
        rolled = roony.owner.send("POST", path_of(roony, "/setup_webhooks"), {"roll": True})
        [current] = [one for one in rolled["webhook_endpoints"] if one["secret_until"] is None]
        assert current["id"] not in before
        assert {one["id"] for one in rolled["webhook_endpoints"]} == {*before, current["id"]}
        assert [one.id for one in own_endpoints(roony)] == [current["id"]]
        buyer = roony.buyer()
        bought = buyer.buy(5_000, "Figma")
        assert roony.charge(bought.stripe_card, 5_000, "Figma").approved

    def test_one_whose_answer_was_lost_is_replaced(self, roony: Simulation) -> None:
        roony.owner.send("POST", path_of(roony, "/setup_webhooks"), {})
        [current] = own_endpoints(roony)
        roony.stripe.v1.webhook_endpoints.delete(current.id)
        rule = {"endpoint": "POST /v1/webhook_endpoints", "kind": "drop_after", "count": 1}
        roony.control("faults", [rule])
        roony.owner.call("POST", path_of(roony, "/setup_webhooks"), {})
        [lost] = own_endpoints(roony)
        roony.advance(60)
        roony.settle()
        [made] = own_endpoints(roony)
        assert made.id != lost.id
        current_ids = [one["id"] for one in connection(roony)["webhook_endpoints"] if one["secret_until"] is None]
        assert current_ids == [made.id]


class TestWhoASecretSpeaksFor:
    """P7: one kept with a connection speaks for that connection only."""

    def tell(self, roony: Simulation, secret: str, query: str, **more: Any) -> tuple[int, str]:
        event = {
            "id": f"evt_{uuid.uuid4().hex}", "object": "event", "type": "charge.succeeded",
            "livemode": False, "created": roony.now(), "api_version": STRIPE_VERSION,
            "data": {"object": {"id": "ch_1", "object": "charge"}}, **more,
        }  # fmt: skip
        body = json.dumps(event).encode()
        answer = roony.web.post(
            f"/api/webhooks/stripe{query}", content=body, headers={"Stripe-Signature": sign(body, secret, roony.now())}
        )
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    def test_it_speaks_for_its_account_named_or_not(self, roony: Simulation, secret: str) -> None:
        query = f"?connection={connection(roony)['id']}"
        assert self.tell(roony, secret, query) == (200, "")
        assert self.tell(roony, secret, query, account=roony.account) == (200, "")

    @pytest.mark.parametrize(
        ("query", "more", "code"),
        [
            ("", {}, "bad_signature"),
            ("?connection=con_nobody", {}, "bad_signature"),
            ("?connection=", {}, "bad_signature"),
            ("{own}&x=1", {}, "bad_signature"),
            ("{own}", {"account": "acct_another"}, "wrong_account"),
            ("{own}", {"livemode": True}, "wrong_account"),
        ],
    )
    def test_and_for_nothing_else(
        self, roony: Simulation, secret: str, query: str, more: dict[str, Any], code: str
    ) -> None:
        query = query.format(own=f"?connection={connection(roony)['id']}")
        assert self.tell(roony, secret, query, **more) == (400, code)

    def test_another_secret_does_not_speak(self, roony: Simulation) -> None:
        query = f"?connection={connection(roony)['id']}"
        assert self.tell(roony, "whsec_forged", query) == (400, "bad_signature")


def secret_of(roony: Simulation) -> str:
    """The current secret of the account's own endpoint, opened with the key that lies beside the database."""
    [current] = [one["id"] for one in connection(roony)["webhook_endpoints"] if one["secret_until"] is None]
    database = Database(roony.database_url)
    try:
        named = connection_secrets.c.name == f"webhook.{current}"
        [(org, id, name, sealed, _)] = database.read(select(connection_secrets).where(named))
    finally:
        database.close()
    keys = json.loads((roony.folder / "roony.db.secrets").read_text())["roony_secret_keys"]
    return Vault.from_text(keys).open(sealed, row_name("connection_secrets", org, id, name))


class TestProbe:
    """One test authorization, which leaves nothing behind."""

    def run(self, roony: Simulation) -> dict[str, Any]:
        [check] = roony.owner.send("POST", path_of(roony, "/probe"), {})["checks"]
        return dict(check)

    @pytest.fixture(autouse=True)
    def _nothing_left(self, roony: Simulation) -> Iterator[None]:
        before = roony.discrepancies()
        yield
        roony.settle()
        # Long enough for a card nobody knows to be flagged, and for a look at all lists.
        roony.advance(120)
        roony.settle()
        roony.owner.send("POST", f"{ADMIN}/reconciliations", {"since": "2h"}, 202)
        running = f"{ADMIN}/reconciliations?status=running"
        until(lambda: roony.owner.get(running)["data"], [])
        roony.settle()
        assert roony.discrepancies() == before
        probes = [card for card in roony.stripe_cards() if "roony_probe" in card.metadata.to_dict()]
        assert probes
        assert {card.status for card in probes} == {"canceled"}

    @pytest.mark.parametrize("choice", ["decline", "approve"])
    def test_roony_answers(self, roony: Simulation, choice: str) -> None:
        roony.owner.send("PATCH", f"{ADMIN}/organization", {"unknown_cards": choice})
        found = self.run(roony)
        roony.owner.send("PATCH", f"{ADMIN}/organization", {"unknown_cards": "decline"})
        assert found["status"] in ("ok", "warning"), found
        assert f"webhook_{choice}d" in found["message"]
        assert connection(roony)["probe"]["checks"] == [found]
        assert connection(roony)["status"] == "active"

    def test_no_real_time_url(self, roony: Simulation) -> None:
        platform = sdk(roony.ready["simulator_url"], roony.ready["stripe_secret_key"], None).v1.webhook_endpoints
        changed = [(roony.stripe.v1.webhook_endpoints, one) for one in own_endpoints(roony)]
        changed += [(platform, one) for one in platform.list().data]
        for endpoints, one in changed:
            kept = [kind for kind in one.enabled_events if kind != REQUEST]
            endpoints.update(one.id, {"enabled_events": kept})  # type: ignore[arg-type]
        try:
            roony.advance(2)
            found = self.run(roony)
            assert (found["status"], "without asking" in found["message"]) == ("missing", True)
            assert connection(roony)["restricted_reason"]["code"] == "realtime_url_contradicted"
        finally:
            for endpoints, one in changed:
                endpoints.update(one.id, {"enabled_events": one.enabled_events})
            roony.advance(2)
            roony.owner.send("POST", path_of(roony, "/confirm"), {"realtime_url": True})
        assert connection(roony)["status"] == "active"

    def test_stripe_decides_before_it_asks(self, roony: Simulation) -> None:
        roony.control(f"accounts/{roony.account}", {"card_issuing": "inactive"})
        try:
            found = self.run(roony)
            assert found["status"] == "unknown"
        finally:
            roony.control(f"accounts/{roony.account}", {"card_issuing": "active"})
            roony.settle()
            until(lambda: connection(roony)["status"], "active")


class TestDoctor:
    """Everything there is to check, and an exit code for scripts."""

    def doctor(self, roony: Simulation, *more: str) -> subprocess.CompletedProcess[str]:
        return run_roony("doctor", *more, ROONY_URL=roony.url, ROONY_ADMIN_KEY=roony.ready["admin_key"])

    def worker(self, roony: Simulation) -> str:
        """What is said of the worker."""
        checks = roony.owner.get("/api/v1/admin/doctor")["checks"]
        return next(check["status"] for check in checks if check["id"] == "worker")

    def test_well(self, roony: Simulation) -> None:
        # Stripe has told of something by then.
        roony.buyer().buy(500, unique("Shop"))
        roony.settle()
        # A test before may have moved the clock past the lease, which is renewed every two seconds.
        until(lambda: self.worker(roony), "ok")
        told = self.doctor(roony, "--json", "--probe")
        found = json.loads(told.stdout)
        by_id = {check["id"]: check["status"] for group in found["groups"] for check in group["checks"]}
        well = (
            "reachable", "version", "public_url", "proxies", "secret_files", "retention", "database", "schema", "disk",
            "wal", "secret_keys", "stripe", "clock", "worker", "webhooks", "inbox", "outbox", "access_keys",
        )  # fmt: skip
        own = {check["id"]: check["status"] for check in found["groups"][0]["checks"]}
        # Tests before forged some.
        assert own.pop("webhook_signatures", "warning") == "warning"
        # The first signatures come within a minute.
        assert own.pop("audit_signatures") in ("ok", "warning")
        assert own == dict.fromkeys(well, "ok")
        assert by_id["probe"] in ("ok", "warning")
        assert (told.returncode, found["ok"]) == (0, True)

    def test_something_missing(self, roony: Simulation) -> None:
        roony.control(f"accounts/{roony.account}", {"card_issuing": "inactive"})
        try:
            told = self.doctor(roony)
            assert told.returncode == 1
            assert "missing  issuing_capability" in told.stdout
            assert "→" in told.stdout
        finally:
            roony.control(f"accounts/{roony.account}", {"card_issuing": "active"})
            roony.settle()
            until(lambda: connection(roony)["status"], "active")

    def test_how_old_the_newest_backup_is(self, roony: Simulation, tmp_path: Path) -> None:
        def newest() -> tuple[str, str, int]:
            told = self.doctor(roony, "--json", "--backups", str(tmp_path))
            [check] = [one for one in json.loads(told.stdout)["groups"][0]["checks"] if one["id"] == "backup"]
            return check["status"], check["message"], told.returncode

        until(lambda: self.worker(roony), "ok")
        assert newest() == ("missing", f"No backup lies in {tmp_path}.", 1)
        made = run_roony("backup", str(tmp_path / "one.db"), "--online", ROONY_DATABASE_URL=roony.database_url)
        assert made.returncode == 0, made.stderr
        assert newest() == ("ok", "The newest backup, one.db, is 0 h old.", 0)
        manifest = tmp_path / "one.db.manifest.json"
        known = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**known, "taken_at": known["taken_at"] - 60 * 3_600_000_000}))
        assert newest() == ("warning", "The newest backup, one.db, is 60 h old.", 0)

    def test_a_full_disk_is_told_with_all_the_rest(self, tmp_path: Path) -> None:
        """What a look at the account found cannot be kept then. No file of that Roony may grow any more."""
        with Simulation(tmp_path) as roony:
            pid, log = roony.child.process.pid, tmp_path / "roony.db-wal"
            before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(log.stat().st_size, 4_096), -1))
            try:
                told = self.doctor(roony)
            finally:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
            until(lambda: self.doctor(roony).returncode, 0)
        assert told.returncode == 1
        assert " ok       disk: " in told.stdout
        assert " missing  preflight: The change could not be written" in told.stdout

    def test_nothing_answers(self, roony: Simulation) -> None:
        told = self.doctor(roony, "--url", "http://127.0.0.1:9")
        assert (told.returncode, "roony serve" in told.stderr) == (1, True)

    def test_attempts_that_came_to_nothing_hide_no_account(self, tmp_path: Path) -> None:
        """On an installation of its own: it leaves more connections than a page holds."""
        with Simulation(tmp_path) as roony:
            own = connection(roony)["id"]
            for _ in range(100):
                roony.owner.send("POST", f"{ADMIN}/connections", {"kind": "connect"}, status=201)
            told = self.doctor(roony, "--json")
        titles = [group["title"] for group in json.loads(told.stdout)["groups"]]
        assert [title.partition(" ")[0] for title in titles[1:]] == [own]
