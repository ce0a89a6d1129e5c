"""The commands that speak to a running Roony: what they do, what they print, how they end."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import Result

from tests.cli.serving import ServedSimulation
from tests.support.commands import run_roony

Run = Callable[..., Result]
RunJson = Callable[..., Any]

SHOP = ("--category", "computer_software_stores", "--country", "US")


def a_shop() -> str:
    """A merchant nobody bought from before, so that no duplicate guard speaks up."""
    letters = uuid.uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))
    return f"Shop {letters[:12]}"


@pytest.fixture
def agent_key(roony_json: RunJson) -> str:
    """The key of a fresh agent: 500.00 a month, a person decides over 100.00."""
    made = roony_json(
        "agent", "create", "cli agent", "--budget", "month=500.00", "--control", "approval_threshold=10000",
        "--control", "allowed_countries=US", "--control", "tolerance_percent=0",
    )  # fmt: skip
    return str(made["key"])


def test_a_purchase_that_is_ready_ends_with_0(roony: Run, roony_json: RunJson) -> None:
    shop = a_shop()
    asked = roony("purchase", "ask", "49.99", "--merchant", shop, *SHOP)
    assert asked.exit_code == 0, asked.output
    assert "49.99 USD" in asked.stdout
    purchase_id = asked.stdout.split()[1]
    assert f"roony purchase card {purchase_id}" in asked.stdout
    shown = roony_json("purchase", "show", purchase_id)
    assert (shown["id"], shown["status"], shown["amount"]) == (purchase_id, "ready", 4999)
    assert "number" not in shown["card"]
    card = roony_json("purchase", "card", purchase_id, "--purpose", "checkout")
    assert card["number"].endswith(shown["card"]["last4"])
    listed = roony("purchase", "list")
    assert purchase_id in listed.stdout
    canceled = roony_json("purchase", "cancel", purchase_id)
    assert canceled["status"] == "canceled"
    assert roony("purchase", "show", purchase_id).exit_code == 1


def test_a_purchase_that_is_paid_again(roony: Run) -> None:
    asked = roony("purchase", "ask", "9.99", "--merchant", a_shop(), *SHOP, "--every", "month", "--payments", "12")
    assert asked.exit_code == 0, asked.output
    assert "month, 0 of 12 payments made" in asked.stdout
    half = roony("purchase", "ask", "9.99", "--merchant", a_shop(), *SHOP, "--every", "month")
    assert half.exit_code == 2
    assert "--payments" in half.stderr
    refused = roony("purchase", "ask", "9.99", "--merchant", a_shop(), *SHOP, "--every", "month", "--payments", "37")
    assert refused.exit_code == 2
    assert "recurring.payments" in refused.stderr


def test_a_purchase_that_is_declined_ends_with_4(roony: Run) -> None:
    asked = roony("purchase", "ask", "500.01", "--merchant", a_shop(), *SHOP)
    assert asked.exit_code == 4
    assert "OVER_PURCHASE_LIMIT" in asked.stdout


def test_a_duplicate_ends_with_4_and_says_how_to_insist(roony: Run) -> None:
    shop = a_shop()
    assert roony("purchase", "ask", "5", "--merchant", shop, *SHOP).exit_code == 0
    again = roony("purchase", "ask", "5", "--merchant", shop, *SHOP)
    assert again.exit_code == 4
    assert again.stderr.count("allow") == again.stderr.count("--allow-duplicate") == 1
    assert again.stderr.count("pur_") == 1
    insisted = roony("purchase", "ask", "5", "--merchant", shop, *SHOP, "--allow-duplicate")
    assert insisted.exit_code == 3


def test_the_same_key_never_buys_twice(roony_json: RunJson) -> None:
    ask = ("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, "--key", uuid.uuid4().hex)
    assert roony_json(*ask)["id"] == roony_json(*ask)["id"]


def test_a_person_approves(roony: Run, roony_json: RunJson, agent_key: str) -> None:
    """Waiting ends with 3; after the yes the same purchase ends with 0."""
    asked = roony("purchase", "ask", "150", "--merchant", a_shop(), *SHOP, "--json", ROONY_AGENT_KEY=agent_key)
    assert asked.exit_code == 3
    purchase = json.loads(asked.stdout)
    approval_id = purchase["approval"]["id"]
    assert approval_id in roony("approval", "list").stdout
    approved = roony_json("approval", "approve", approval_id, "--note", "fine")
    assert approved["status"] in ("issuing", "ready")
    assert roony("purchase", "show", purchase["id"], "--wait", "10", ROONY_AGENT_KEY=agent_key).exit_code == 0
    assert roony("approval", "approve", approval_id).exit_code == 1


def test_a_price_is_raised_before_the_card_is_used(roony: Run, roony_json: RunJson, agent_key: str) -> None:
    """0 when the card can pay it, 3 when a person decides, 4 when the rules say no, 1 when it makes no sense."""
    agent = {"ROONY_AGENT_KEY": agent_key}
    asked = roony("purchase", "ask", "50", "--merchant", a_shop(), *SHOP, "--json", **agent)
    purchase_id = json.loads(asked.stdout)["id"]
    raised = roony("purchase", "raise", purchase_id, "54.99", **agent)
    assert raised.exit_code == 0, raised.output
    assert "54.99 USD" in raised.stdout
    assert json.loads(roony("purchase", "show", purchase_id, "--json", **agent).stdout)["amount"] == 5_499
    lower = roony("purchase", "raise", purchase_id, "10", **agent)
    assert (lower.exit_code, "only be raised" in lower.stderr) == (1, True)
    waiting = roony("purchase", "raise", purchase_id, "150", **agent)
    assert (waiting.exit_code, "person decides" in waiting.stderr) == (3, True)
    over = roony_json("purchase", "ask", "50", "--merchant", a_shop(), *SHOP)
    declined = roony("purchase", "raise", over["id"], "500.01")
    assert (declined.exit_code, "OVER_PURCHASE_LIMIT" in declined.stderr) == (4, True)


def test_a_person_denies(roony: Run, roony_json: RunJson, agent_key: str) -> None:
    asked = roony("purchase", "ask", "151", "--merchant", a_shop(), *SHOP, "--json", ROONY_AGENT_KEY=agent_key)
    purchase = json.loads(asked.stdout)
    assert roony_json("approval", "deny", purchase["approval"]["id"])["status"] == "declined"
    assert roony("purchase", "show", purchase["id"], ROONY_AGENT_KEY=agent_key).exit_code == 4


def test_freeze_stops_an_agent_until_unfreeze(roony: Run, roony_json: RunJson) -> None:
    made = roony_json("agent", "create", "to be frozen", "--budget", "month=100")
    frozen = roony("freeze", made["id"])
    assert frozen.exit_code == 0
    assert f"roony unfreeze {made['id']}" in frozen.stdout
    declined = roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, ROONY_AGENT_KEY=made["key"])
    assert declined.exit_code == 4
    assert "AGENT_SUSPENDED" in declined.stdout
    assert roony("unfreeze", made["id"]).exit_code == 0
    assert roony("purchase", "ask", "5", "--merchant", a_shop(), *SHOP, ROONY_AGENT_KEY=made["key"]).exit_code == 0


def test_one_card_is_listed_frozen_let_go_and_canceled(roony: Run, roony_json: RunJson) -> None:
    purchase = roony_json("purchase", "ask", "5", "--merchant", a_shop(), *SHOP)
    card = purchase["card"]["id"]
    assert card in roony("card", "list", "--purchase", purchase["id"]).stdout
    frozen = roony("card", "freeze", card)
    assert (frozen.exit_code, f"roony card unfreeze {card}" in frozen.stdout) == (0, True)
    assert [row["id"] for row in roony_json("card", "list", "--status", "frozen")["data"]] == [card]
    assert roony_json("card", "freeze", card)["changed"] is False
    assert f"{card} is active" in roony("card", "unfreeze", card).stdout
    assert roony_json("card", "unfreeze", card)["changed"] is False
    assert "hard_limit" in roony("card", "show", card).stdout
    assert roony_json("card", "cancel", card)["status"] == "canceled"
    over = roony("card", "freeze", card)
    assert (over.exit_code, "canceled" in over.stderr) == (1, True)
    assert roony("card", "list", "--status", "lost").exit_code == 2


def test_a_cardholder_is_set_listed_and_removed(roony: Run, roony_json: RunJson, tmp_path: Path) -> None:
    made = roony_json("agent", "create", "with a name", "--budget", "month=100")
    address = ("--line1", "1 Main Street", "--city", "Springfield", "--postal-code", "62701", "--country", "US")
    said = roony("cardholder", "set", made["id"], "--name", "Anna Buys", *address)
    assert (said.exit_code, "roony cardholder list" in said.stdout) == (0, True)
    assert "Anna Buys" in roony("cardholder", "list").stdout
    person = ("--first-name", "Anna", "--last-name", "Buys", "--born", "1990-12-31", "--phone", "+12025550123")
    terms = ("--terms-at", "2026-01-02T03:04:05Z", "--terms-ip", "192.0.2.1")
    whole = roony_json("cardholder", "set", made["id"], *address, *person, *terms)["cardholder"]
    assert whole["individual"]["dob"] == {"day": 31, "month": 12, "year": 1990}
    assert whole["individual"]["card_issuing"]["user_terms_acceptance"]["date"] == 1_767_323_045
    file = tmp_path / "cardholder.json"
    file.write_text(json.dumps({**whole, "name": "Anna"}), encoding="utf-8")
    assert roony_json("cardholder", "set", made["id"], "--file", str(file))["cardholder"]["name"] == "Anna"
    wrong = roony("cardholder", "set", made["id"], "--name", "Agent 7", *address)
    assert (wrong.exit_code, "cardholder.name" in wrong.stderr) == (2, True)
    assert roony("cardholder", "set", made["id"], "--born", "yesterday", *address).exit_code == 2
    assert roony("cardholder", "set", made["id"], "--file", str(tmp_path / "none")).exit_code == 2
    assert roony_json("cardholder", "remove", made["id"])["cardholder"] is None
    assert roony("cardholder", "remove", made["id"]).exit_code == 1


def test_budgets_and_controls_are_set_and_shown(roony: Run, roony_json: RunJson) -> None:
    project = roony_json("project", "create", "research")
    made = roony_json("agent", "create", "a reader", "--project-id", project["id"])
    budget = roony_json("budget", "set", "day=12.50:eur", "--scope", made["id"])
    assert (budget["limit"], budget["currency"], budget["period"]) == (1250, "eur", "day")
    assert roony_json("budget", "set", "day=none:eur", "--scope", made["id"])["limit"] is None
    assert "12.50" not in roony("budget", "list", made["id"]).stdout
    roony_json("control", "set", "purchase_limit=700", "allowed_countries=US,CA", "--scope", made["id"])
    roony_json("control", "set", "approve_new_merchants=yes", "purchase_limit=none", "--scope", made["id"])
    shown = roony_json("control", "show", made["id"])
    assert shown == {"allowed_countries": ["US", "CA"], "approve_new_merchants": True}
    assert roony_json("control", "set", "velocity_count=3", "--replace", "--scope", made["id"])["controls"] == {
        "velocity_count": 3
    }
    kept = roony_json("control", "versions", made["id"])["data"]
    assert [row["version"] for row in kept] == [3, 2, 1]
    listed = roony("control", "list")
    (row,) = [line for line in listed.stdout.splitlines() if made["id"] in line]
    assert row.split() == ["agent", made["id"], "3", '{"velocity_count":', "3}"]
    assert made["id"] in roony("agent", "list").stdout
    assert project["id"] in roony("project", "list").stdout
    assert roony_json("agent", "show", made["id"])["project_id"] == project["id"]
    assert roony_json("project", "rename", project["id"], "reading")["name"] == "reading"
    assert roony_json("project", "show", project["id"])["name"] == "reading"
    second = roony_json("project", "create", "writing")["id"]
    moved = roony_json(
        "agent", "update", made["id"], "--name", "a writer", "--project-id", second, "--may-name", project["id"]
    )
    assert (moved["name"], moved["project_id"], moved["project_ids"]) == ("a writer", second, [second, project["id"]])
    assert roony_json("agent", "update", made["id"], "--may-name", "none")["project_ids"] == [second]
    every = f"{made['id']}:*"
    limited = roony_json("budget", "set", "lifetime=20.00", "--scope", every)
    assert (limited["scope"], limited["scope_id"], limited["limit"]) == ("task", every, 2_000)


def test_an_agents_keys_are_made_listed_and_revoked(roony: Run, roony_json: RunJson) -> None:
    made = roony_json("agent", "create", "a keeper")
    key = roony_json("agent", "key", "new", made["id"], "--name", "spare")
    assert key["key"].startswith("roony_agent_")
    assert roony_json("agent", "key", "revoke", made["id"], key["id"])["revoked_at"]
    listed = roony_json("agent", "key", "list", made["id"])["data"]
    assert {row["id"]: row["revoked_at"] is None for row in listed} == {key["id"]: False, made["key_id"]: True}
    assert "spare" in roony("agent", "key", "list", made["id"]).stdout
    limited = roony_json(
        "agent", "key", "new", made["id"], "--scope", "read", "--expires-in-days", "2", "--from", "127.0.0.1",
        "--per-minute", "9",
    )  # fmt: skip
    assert (limited["scopes"], limited["allowed_addresses"]) == (["read"], ["127.0.0.1/32"])
    assert limited["requests_per_minute"] == 9
    refused = roony("purchase", "ask", "1.00", "--merchant", a_shop(), *SHOP, ROONY_AGENT_KEY=limited["key"])
    assert refused.exit_code == 1
    assert "scope purchase" in refused.stderr
    rotated = roony_json("agent", "key", "rotate", made["id"], limited["id"], "--overlap-hours", "0")
    assert rotated["scopes"] == ["read"]
    assert "expired" in roony("purchase", "list", ROONY_AGENT_KEY=limited["key"]).stderr
    assert roony_json("purchase", "list", ROONY_AGENT_KEY=rotated["key"])["data"] == []


def test_programs_get_keys(roony: Run, roony_json: RunJson) -> None:
    first = roony_json("admin-key", "new", "--name", "terraform")
    listed = roony_json("admin-key", "list", "--kind", "admin", ROONY_ADMIN_KEY=first["key"])["data"]
    assert first["id"] in {row["id"] for row in listed}
    second = roony_json("admin-key", "rotate", first["id"])
    assert "Rotate it" in roony("admin-key", "revoke", second["id"], ROONY_ADMIN_KEY=second["key"]).stderr
    assert roony_json("admin-key", "revoke", first["id"], ROONY_ADMIN_KEY=second["key"])["revoked_at"]


def test_people_get_roles_and_keys(roony: Run, roony_json: RunJson) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    ann = roony_json("user", "new", "Ann", email, "--role", "approver")
    key = roony("user", "key", "new", ann["id"]).stdout.strip()
    assert key.startswith("roony_admin_")
    assert roony_json("user", "show", ann["id"], ROONY_ADMIN_KEY=key) == ann
    refused = roony("project", "create", "hers", ROONY_ADMIN_KEY=key)
    assert refused.exit_code == 1
    assert "role admin" in refused.stderr
    assert "roony user role" in refused.stderr
    assert roony_json("user", "role", ann["id"], "viewer")["role"] == "viewer"
    assert ann["id"] in roony("user", "list", "--role", "viewer").stdout
    link = roony_json("user", "reset", email.upper())["url"]
    assert "Welcome, Ann" in httpx2.get(link, trust_env=False, timeout=60).text
    assert "No user has the address" in roony("user", "reset", f"no.{email}").stderr
    assert roony_json("user", "disable", ann["id"])["disabled_at"]
    assert roony("user", "list", ROONY_ADMIN_KEY=key).exit_code == 1
    [row] = roony_json("user", "key", "list", ann["id"])["data"]
    assert row["revoked_at"]
    assert roony_json("user", "disable", ann["id"], "--enable")["disabled_at"] is None


def test_connections_events_and_discrepancies_are_listed(
    served: ServedSimulation, roony: Run, roony_json: RunJson
) -> None:
    connections = roony_json("connection", "list")["data"]
    assert served.ready["stripe_account"] in {row["stripe_account"] for row in connections}
    link = roony("connection", "start")
    assert f"{served.ready['url']}/connect/stripe?ticket=" in link.stdout
    # Piped, a row is one line: nothing that a script looks for is cut in two.
    events = roony("events", "list")
    lines = events.stdout.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("evt_") for line in lines[1:] if "add --cursor" not in line)
    applied = roony_json("events", "list")["data"][0]
    assert applied["id"] in events.stdout
    assert "No such events." in roony("events", "list", "--object", "iauth_none").stdout
    replayed = roony("events", "replay", applied["id"])
    assert (replayed.exit_code, "only failed ones can be replayed" in replayed.stderr) == (1, True)
    assert "failed" in roony("events", "replay", "--help").stdout
    assert roony("discrepancy", "list").exit_code == 0
    unknown = roony("discrepancy", "resolve", "dis_none", "--note", "nothing")
    assert unknown.exit_code == 1
    assert "dis_none" in unknown.stderr


def test_the_audit_chain_is_exported_and_verified_offline(roony: Run, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    assert roony("audit", "export", "-o", str(file)).exit_code == 0
    verified = run_roony("audit", "verify", str(file))
    assert verified.returncode == 0, verified.stderr
    assert "the chain is whole" in verified.stdout
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:-2], lines[-1]]) + "\n")
    assert run_roony("audit", "verify", str(file)).returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("purchase", "ask", "49.999", "--merchant", "Figma"),
        ("purchase", "ask", "-5", "--merchant", "Figma"),
        ("purchase", "ask", "1e3", "--merchant", "Figma"),
        ("purchase", "ask", "five", "--merchant", "Figma"),
        ("purchase", "ask", "5"),
        ("purchase", "ask", "5", "--merchant", "Figma", "--currency", "zzz"),
        ("budget", "set", "month"),
        ("budget", "set", "fortnight=5"),
        ("budget", "set", "month=5", "--scope", "xyz_1"),
        ("control", "set", "no_such_control=1"),
        ("control", "set", "purchase_limit"),
        ("no-such-command",),
    ],
)
def test_wrong_use_ends_with_2(roony: Run, arguments: tuple[str, ...]) -> None:
    assert roony(*arguments).exit_code == 2


def test_without_a_key_the_command_says_where_to_get_one(roony: Run) -> None:
    owner = roony("agent", "list", ROONY_ADMIN_KEY="")
    assert (owner.exit_code, "ROONY_ADMIN_KEY" in owner.stderr) == (2, True)
    agent = roony("purchase", "list", ROONY_AGENT_KEY="")
    assert (agent.exit_code, "ROONY_AGENT_KEY" in agent.stderr) == (2, True)


def test_a_key_of_the_wrong_kind_is_explained(served: ServedSimulation, roony: Run) -> None:
    refused = roony("agent", "list", ROONY_ADMIN_KEY=served.ready["agent_key"])
    assert (refused.exit_code, "another kind of key" in refused.stderr) == (1, True)
    unknown = roony("agent", "list", ROONY_ADMIN_KEY="roony_admin_0000")
    assert (unknown.exit_code, "Look at the key" in unknown.stderr) == (1, True)
    assert "roony_admin_0000" not in unknown.output


def test_when_nothing_answers_the_command_says_how_to_start_it(roony: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        failed = roony("agent", "list", ROONY_URL=url)
    assert (failed.exit_code, "roony serve" in failed.stderr) == (1, True)


def test_commands_beside_the_database_need_no_key(served: ServedSimulation, roony: Run) -> None:
    found = roony("agent", "list", ROONY_ADMIN_KEY="", ROONY_DATABASE_URL=f"sqlite:///{served.database}")
    assert found.exit_code == 0
    assert "demo agent" in found.stdout


def test_another_tenants_purchase_is_not_found(roony: Run, agent_key: str) -> None:
    shown = roony("purchase", "show", "pur_000000000000000000000000", ROONY_AGENT_KEY=agent_key)
    assert (shown.exit_code, "pur_000000000000000000000000" in shown.stderr) == (1, True)


def test_permissions_under_both_names(roony: Run, roony_json: RunJson) -> None:
    shown = roony("connection", "permissions", "stripe_app")
    assert "issuing:write" in shown.stdout
    assert "issuing_card_write" in shown.stdout
    assert "read_write" in roony("connection", "permissions", "connect").stdout
    manifest = roony_json(
        "connection", "permissions", "stripe_app", "--manifest", "--public-url", "https://roony.example.com/"
    )
    assert manifest["allowed_redirect_uris"] == ["https://roony.example.com/connect/stripe/callback"]
    assert manifest["stripe_api_access_type"] == "oauth"
    assert {"permission", "purpose"} == set(manifest["permissions"][0])
    assert roony("connection", "permissions", "bank").exit_code == 2
    assert roony("connection", "permissions", "direct", "--manifest").exit_code == 2
    [connection, *_] = roony_json("connection", "list")["data"]
    assert [one["name"] for one in connection["permissions"]] == ["issuing:read", "issuing:write", "charges:read"]
    assert "charges:read" in roony("connection", "show", connection["id"]).stdout


def test_an_app_is_installed_by_a_link(roony: Run, roony_json: RunJson) -> None:
    begun = roony_json("connection", "start", "stripe_app")
    assert (begun["kind"], begun["status"]) == ("stripe_app", "pending")
    assert "/connect/stripe?ticket=" in begun["url"]
    assert "it works once" in roony("connection", "start", "stripe_app").stdout


def test_keys_are_rotated(roony: Run, roony_json: RunJson) -> None:
    done = roony_json("keys", "rotate")
    assert (done["resealed"], done["unreadable"], done["damaged"]) == (0, {}, 0)
    assert done["already_current"] > 0
    assert "can now be taken out" in roony("keys", "rotate").stdout
