"""`roony serve`: what it prints, what it refuses, what a restart finds again, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.serving import START, ServedSimulation
from tests.support.books import lay_file
from tests.support.commands import run_roony
from tests.support.served import clean_environment, until

READY_KEYS = {
    "url", "simulator_url", "organization_id", "admin_key", "agent_id", "agent_key", "webhook_secret",
    "stripe_secret_key", "stripe_account", "pid",
}  # fmt: skip
NO_DATABASE = "postgresql://nobody@127.0.0.1:9/x"
SECRETS = {"STRIPE_SECRET_KEY": "sk_test_simulator", "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef"}


def get(url: str, path: str, key: str) -> httpx2.Response:
    """One reading call."""
    return httpx2.get(f"{url}{path}", headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False)


def until_gone(url: str) -> bool:
    """True when nothing answers at `url` within some seconds."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx2.get(url, timeout=20, trust_env=False)
        except httpx2.TransportError:
            return True
        time.sleep(0.05)
    return False


def test_the_ready_line_holds_all_that_a_program_needs(served: ServedSimulation) -> None:
    ready = served.ready
    assert set(ready) == READY_KEYS
    assert all(ready.values())
    assert ready["pid"] == served.process.pid
    organization = get(ready["url"], "/api/v1/admin/organization", ready["admin_key"]).json()
    assert (organization["id"], organization["name"]) == (ready["organization_id"], "Demo Company")
    assert (organization["currency"], organization["delivery"]) == ("usd", "raw")
    connections = get(ready["url"], "/api/v1/admin/connections", ready["admin_key"]).json()["data"]
    active = [row for row in connections if row["status"] == "active"]
    assert [(row["kind"], row["stripe_account"]) for row in active] == [("connect", ready["stripe_account"])]
    projects = get(ready["url"], "/api/v1/admin/projects", ready["admin_key"]).json()["data"]
    agents = get(ready["url"], "/api/v1/admin/agents", ready["admin_key"]).json()["data"]
    demo = next(row for row in agents if row["id"] == ready["agent_id"])
    assert (demo["name"], demo["project_id"]) == ("demo agent", projects[-1]["id"])


@pytest.mark.parametrize(
    ("amount", "merchant", "status", "code"),
    [
        (50_000, {"name": "Adobe", "category": "5734", "country": "US"}, "ready", None),
        (50_001, {"name": "Corel", "category": "5734", "country": "US"}, "declined", "OVER_PURCHASE_LIMIT"),
        (100, {"name": "Slots", "category": "7995", "country": "US"}, "declined", "CATEGORY_BLOCKED"),
        (100, {"name": "Canva", "category": "5734", "country": "AU"}, "declined", "COUNTRY_BLOCKED"),
    ],
)
def test_the_demo_agent_may_buy_software_in_the_us_up_to_500(
    served: ServedSimulation, amount: int, merchant: dict[str, str], status: str, code: str | None
) -> None:
    asked = httpx2.post(
        f"{served.ready['url']}/api/v1/purchase_intents", trust_env=False, timeout=30,
        headers={"Authorization": f"Bearer {served.ready['agent_key']}"},
        json={"amount": amount, "currency": "usd", "description": "a test", "merchant": merchant},
    )  # fmt: skip
    assert asked.status_code == 201, asked.text
    purchase = asked.json()
    assert purchase["status"] == status
    if code is not None:
        assert purchase["decision"]["reasons"][0]["code"] == code
    else:
        assert purchase["card"]["hard_limit"] == amount  # tolerance 0
        assert purchase["card"]["number"]


def test_a_restart_finds_everything_again(tmp_path: Path) -> None:
    """Same ids, same secrets, fresh keys beside the old ones, and the account that was connected once stays so."""
    with ServedSimulation(tmp_path) as first:
        before = first.ready
        code, rest = first.stop()
    assert (code, rest) == (0, b"")
    with ServedSimulation(tmp_path) as second:
        after = second.ready
        same = ("organization_id", "agent_id", "stripe_account", "webhook_secret", "stripe_secret_key")
        assert [after[name] for name in same] == [before[name] for name in same]
        for name in ("admin_key", "agent_key"):
            assert after[name] != before[name]
        for ready in (before, after):
            assert get(after["url"], "/api/v1/admin/organization", ready["admin_key"]).status_code == 200
            assert get(after["url"], "/api/v1/budgets", ready["agent_key"]).status_code == 200
        organizations = sqlite3.connect(second.database)
        with contextlib.closing(organizations):
            (count,) = organizations.execute(
                "SELECT count(*) FROM organizations WHERE name = 'Demo Company'"
            ).fetchone()
        assert count == 1
    for suffix in ("secrets", "admin-key", "simulator", "clock"):
        file = tmp_path / f"roony.db.{suffix}"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, suffix
    logged = first.log.read_text()
    secrets = [*json.loads((tmp_path / "roony.db.secrets").read_text()).values()]
    secrets += [ready[name] for ready in (before, after) for name in ("admin_key", "agent_key")]
    assert not [secret for secret in secrets if secret in logged]


def test_one_that_is_told_to_go_answers_on_for_a_while_and_says_that_it_goes(tmp_path: Path) -> None:
    """For a balancer that looks at /readyz; each answer is the last of its connection."""
    with (
        ServedSimulation(tmp_path, "--drain-seconds", "300") as served,
        httpx2.Client(trust_env=False, timeout=60) as client,
    ):
        url = served.ready["url"]
        assert client.get(f"{url}/readyz").status_code == 200
        served.process.terminate()
        until(lambda: client.get(f"{url}/readyz").status_code, 503)
        assert client.get(f"{url}/readyz").json() == {"status": "stopping"}
        answer = get(url, "/api/v1/admin/organization", served.ready["admin_key"])
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        served.process.kill()


def test_a_killed_server_takes_its_simulator_along(tmp_path: Path) -> None:
    with ServedSimulation(tmp_path) as served:
        served.process.send_signal(signal.SIGKILL)
        served.process.wait()
        assert until_gone(served.ready["simulator_url"])
    # What it left behind is found by the next one.
    with ServedSimulation(tmp_path) as again:
        assert again.ready["organization_id"] == served.ready["organization_id"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the simulator's process through /proc")
def test_it_ends_when_its_simulator_does(tmp_path: Path) -> None:
    """Without its Stripe it could only pretend to work."""
    with ServedSimulation(tmp_path) as served:
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGTERM)
        assert served.process.wait() == 1


def test_a_second_server_on_the_same_file_is_refused(served: ServedSimulation) -> None:
    url = f"sqlite:///{served.database}"
    refused = run_roony("serve", "--simulate", "--port", "0", "--simulator-port", "0", ROONY_DATABASE_URL=url)
    assert refused.returncode == 1
    assert f"served by process {served.process.pid}" in refused.stderr
    for command in ("init", "migrate"):
        assert f"process {served.process.pid}" in run_roony(command, ROONY_DATABASE_URL=url).stderr


def test_no_new_key_is_made_behind_a_server(served: ServedSimulation) -> None:
    refused = run_roony("init", "--new-key", ROONY_DATABASE_URL=f"sqlite:///{served.database}")
    assert (refused.returncode, "is served by process" in refused.stderr, refused.stdout) == (1, True, "")


def test_the_copy_of_the_key_follows_a_rotation_and_says_when_it_is_over(
    served: ServedSimulation, tmp_path: Path
) -> None:
    """As the owner on the machine of the database, without ROONY_ADMIN_KEY."""
    database = tmp_path / "roony.db"
    local = Path(f"{database}.admin-key")
    environment = {"ROONY_URL": served.ready["url"], "ROONY_DATABASE_URL": f"sqlite:///{database}"}

    def by_demo_owner(*arguments: str) -> Any:
        done = run_roony(*arguments, "--json", ROONY_ADMIN_KEY=served.ready["admin_key"], **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    own, other = (by_demo_owner("admin-key", "new", "--name", name) for name in ("own", "other"))
    local.write_text(own["key"])
    local.chmod(0o600)
    assert run_roony("admin-key", "rotate", other["id"], **environment).returncode == 0
    assert local.read_text() == own["key"]
    rotated = run_roony("admin-key", "rotate", own["id"], "--overlap-hours", "0", "--json", **environment)
    made = json.loads(rotated.stdout)
    assert (local.read_text().strip(), str(local) in rotated.stderr) == (made["key"], True)
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    assert run_roony("user", "list", **environment).returncode == 0
    by_demo_owner("admin-key", "revoke", made["id"])
    over = run_roony("user", "list", **environment)
    assert over.returncode == 1
    assert all(word in over.stderr for word in ("was revoked", "ROONY_ADMIN_KEY", "roony init --new-key"))


def test_without_secrets_it_refuses_and_names_all_of_them(tmp_path: Path) -> None:
    refused = run_roony("serve", ROONY_DATABASE_URL=f"sqlite:///{tmp_path}/roony.db")
    assert refused.returncode == 2
    for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "ROONY_SECRET_KEYS"):
        assert f"{name} is missing" in refused.stderr
    assert refused.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "message"),
    [
        (("--workers", "2"), {}, 2, "SQLite serves one process only"),
        (("--doors", "1"), {}, 2, "SQLite serves one process only"),
        (("--workers", "2"), {"ROONY_DATABASE_URL": NO_DATABASE}, 2, "STRIPE_SECRET_KEY is missing"),
        (("--workers", "2", "--simulate"), {"ROONY_DATABASE_URL": NO_DATABASE}, 2, "one process only"),
        (("--port", "70000"), {}, 2, "--port"),
        (("--simulate",), {"ROONY_DATABASE_URL": "mysql://x"}, 2, "ROONY_DATABASE_URL"),
        (("--simulate",), {"ROONY_LOG_FORMAT": "xml"}, 2, "ROONY_LOG_FORMAT"),
        (("--simulate",), {"ROONY_STOP_AT": "never"}, 2, "ROONY_STOP_AT"),
        (("--simulate",), {"ROONY_SECRET_KEYS": "AAAA"}, 2, "ROONY_SECRET_KEYS"),
        (("--simulate", "--host", "192.0.2.1"), {}, 1, "choose another --port"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], code: int, message: str
) -> None:
    given = {"ROONY_DATABASE_URL": f"sqlite:///{tmp_path}/roony.db", **environment}
    refused = run_roony("serve", *arguments, **given)
    assert refused.returncode == code
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    key = run_roony("keys", "new").stdout.strip()
    given: dict[str, Any] = {**SECRETS, "STRIPE_API_BASE": "http://127.0.0.1:9", "ROONY_SECRET_KEYS": key}
    nowhere = {**given, "ROONY_DATABASE_URL": "sqlite:////proc/none/roony.db"}
    refused = run_roony("serve", "--port", "0", **nowhere)
    assert (refused.returncode, "cannot be opened" in refused.stderr) == (1, True), refused.stderr
    assert "Traceback" not in refused.stderr
    secret = "postgresql://roony:hidden-password@127.0.0.1:9/roony"
    unreachable = run_roony("serve", "--port", "0", "--workers", "2", **{**given, "ROONY_DATABASE_URL": secret})
    assert (unreachable.returncode, "cannot be opened (nothing listens" in unreachable.stderr) == (1, True), (
        unreachable.stderr
    )
    assert "Traceback" not in unreachable.stderr
    assert "hidden-password" not in unreachable.stderr


def test_without_simulate_the_ready_line_tells_no_secret(tmp_path: Path) -> None:
    key = run_roony("keys", "new").stdout.strip()
    environment = clean_environment(
        **SECRETS, STRIPE_API_BASE="http://127.0.0.1:9", STRIPE_CONNECT_BASE="http://127.0.0.1:9",
        ROONY_SECRET_KEYS=key, ROONY_DATABASE_URL=f"sqlite:///{tmp_path}/roony.db",
    )  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*START, "serve", "--port", "0", "--ready-json"], env=environment, stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    with process.stdout:
        ready = json.loads(process.stdout.readline())
        assert set(ready) == READY_KEYS
        assert {name for name, value in ready.items() if value is not None} == {"url", "pid"}
        assert httpx2.get(f"{ready['url']}/healthz", trust_env=False, timeout=60).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert process.stdout.read() == b""


# What a server on SQLite never needs, or only when somebody wants something rare; `smtplib` comes with apprise.
_RARE = {"alembic", "apprise", "mako", "mcp", "psycopg", "smtplib", "webauthn"}
# At its end it says which of them were loaded, and whether descriptions of answers were built.
_WATCHED = f"""
import atexit, json, sys
def tell():
    from roony.web.admin_shapes import OrganizationAnswer
    sys.stdout.write(json.dumps([sorted({_RARE} & set(sys.modules)), OrganizationAnswer.__pydantic_complete__]))
atexit.register(tell)
from roony.cli import main
main()
"""


def test_a_server_on_sqlite_loads_only_what_it_answers_with(tmp_path: Path) -> None:
    """Its start and its memory are mostly what it loads: everything up to its first answer is looked at."""
    lay_file(tmp_path / "roony.db")
    environment = clean_environment(
        **SECRETS, STRIPE_API_BASE="http://127.0.0.1:9", STRIPE_CONNECT_BASE="http://127.0.0.1:9",
        ROONY_SECRET_KEYS=run_roony("keys", "new").stdout.strip(), ROONY_DATABASE_URL=f"sqlite:///{tmp_path}/roony.db",
    )  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _WATCHED, "serve", "--port", "0", "--ready-json"], env=environment,
            stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        ready = json.loads(process.stdout.readline())
        assert httpx2.get(f"{ready['url']}/healthz", trust_env=False, timeout=60).status_code == 200
        process.terminate()
        told = json.loads(process.stdout.read())
        assert (process.wait(), told) == (0, [[], False])


def test_people_are_told_where_to_look(tmp_path: Path) -> None:
    """Without ROONY_DATABASE_URL everything lies in a new temporary folder, which is named."""
    environment = clean_environment(TMPDIR=str(tmp_path), PATH="/nowhere")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*START, "serve", "--simulate", "--port", "0", "--simulator-port", "0"], env=environment,
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        process.terminate()
        assert process.wait() == 0
    text = "".join(lines)
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    for part in (str(folder), "export ROONY_ADMIN_KEY=roony_admin_", "export ROONY_AGENT_KEY=roony_agent_", "/docs"):
        assert part in text
    secrets = json.loads((folder / "roony.db.secrets").read_text())
    assert f"export STRIPE_KEY={secrets['stripe_secret_key']}\n" in text
    assert "export ACCOUNT=acct_" in text
    assert "export AGENT_ID=agt_" in text
    # Nobody has put the commands on the path yet.
    assert f'export PATH="{Path(sys.executable).parent}:$PATH"\n' in text
    assert "alembic" not in (tmp_path / "log").read_text()
    assert "--category computer_software_stores" in text
    assert (folder / "roony.db").exists()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    with ServedSimulation(tmp_path) as served:
        ready = served.ready
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*START, "serve", "--simulate", "--ready-json", "--parent-pipe", "--port", "0", "--simulator-port", "0"],
            env=clean_environment(ROONY_DATABASE_URL=f"sqlite:///{served.database}"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        assert json.loads(process.stdout.readline())["agent_id"] == ready["agent_id"]
        process.stdin.close()
        assert process.wait() == 0
