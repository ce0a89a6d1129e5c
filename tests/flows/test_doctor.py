"""What `roony doctor` finds of an installation: each check well and not, with what to do where it is not."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roony.core.connection import Connection
from roony.core.duration import DAY, SECOND
from roony.core.preflight import Check
from roony.core.retention import Retention
from roony.flows.doctor import _clock, examine
from roony.flows.doctor.installation import (
    OLD_DAYS,
    Installation,
    Seen,
    proxies,
    public_url,
    retention,
    secrets,
    signatures,
)
from roony.flows.doctor.machine import LARGE_WAL, MEGA, room, settings, takes_writes, wal
from roony.flows.doctor.work import dead_events, events_heard, traces, waiting, worker
from roony.flows.duty_lease import DUTIES
from roony.outbound.traces import Traces
from roony.store.queries.gauges import Waiting
from roony.store.rows import AccessKey, InboxEvent, OutboxPromise
from roony.store.tables import leases
from tests.support.books import NOW
from tests.support.postgres import books_database
from tests.support.serving import Company, ServedRoony, serve
from tests.support.tills import DATABASES

HOUR = 3_600 * SECOND


def said(*checks: Check) -> list[tuple[str, str]]:
    """Which and how; whatever is not well says what to do."""
    assert all(check.next for check in checks if check.status != "ok"), checks
    return [(check.id, check.status) for check in checks]


@pytest.mark.parametrize(
    ("size", "free", "status"),
    [(10, 5_000, "ok"), (10, 999, "warning"), (8_000, 5_000, "warning"), (10, 99, "missing")],
)
def test_room_on_the_disk(size: int, free: int, status: str) -> None:
    assert said(room(size * MEGA, free * MEGA)) == [("disk", status)]


def test_a_log_that_is_not_folded(tmp_path: Path) -> None:
    log = tmp_path / "roony.db-wal"
    assert said(wal(log)) == [("wal", "ok")]
    with log.open("wb") as file:
        file.truncate(LARGE_WAL + 1)
    assert said(wal(log)) == [("wal", "warning")]


ON = {"fsync": "on", "full_pages": "on", "autovacuum": "on"}
GOOD = {"number": 150_004, "version": "15.4", "most": 100, "used": 9, **ON}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [("postgresql", "ok")]),
        ({"number": 140_009}, [("postgresql", "missing")]),
        ({"fsync": "off"}, [("postgresql", "missing")]),
        ({"full_pages": "off"}, [("postgresql", "missing")]),
        ({"autovacuum": "off"}, [("postgresql", "warning")]),
        ({"used": 80}, [("connections", "warning")]),
    ],
)
def test_settings_of_postgresql(change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert said(*settings(**{**GOOD, **change})) == expected


@pytest.mark.parametrize(
    ("until", "status"), [(None, "missing"), (NOW, "missing"), (NOW - 1, "missing"), (NOW + 1, "ok")]
)
def test_a_worker_that_works(until: int | None, status: str) -> None:
    assert said(worker(until, NOW)) == [("worker", status)]


@pytest.mark.parametrize(
    ("heard", "made", "status"),
    [
        (None, None, "unknown"), (None, NOW - HOUR, "warning"), (NOW - HOUR, None, "ok"),
        (NOW - HOUR, NOW - 2 * HOUR, "ok"), (NOW - 2 * HOUR, NOW - HOUR, "warning"),
    ],
)  # fmt: skip
def test_events_that_arrive(heard: int | None, made: int | None, status: str) -> None:
    assert said(events_heard(heard, made, NOW)) == [("webhooks", status)]


@pytest.mark.parametrize(("seconds", "status"), [(None, "ok"), (10, "ok"), (301, "warning"), (3_601, "missing")])
def test_what_waits(seconds: int | None, status: str) -> None:
    found = Waiting(0, None) if seconds is None else Waiting(3, NOW - seconds * SECOND)
    assert said(waiting("inbox", "events", found, NOW, "look")) == [("inbox", status)]
    assert said(*dead_events(0)) == []
    assert said(*dead_events(2)) == [("dead_events", "warning")]


@pytest.mark.parametrize(("skew", "status"), [(0, "ok"), (-5, "ok"), (6, "warning"), (-121, "missing")])
def test_the_clock(skew: int, status: str) -> None:
    assert said(_clock(skew)) == [("clock", status)]


def test_proxies_that_are_not_believed() -> None:
    assert said(*proxies(Seen("10.0.0.1"))) == [("proxies", "ok")]
    assert said(*proxies(Seen("10.0.0.1", forwarded=True, trusted=True))) == [("proxies", "ok")]
    [check] = proxies(Seen("10.0.0.1", forwarded=True))
    assert (check.status, check.next) == ("warning", "Name it: ROONY_TRUSTED_PROXIES=10.0.0.1")


def test_messages_that_no_secret_signed() -> None:
    """A wrong secret is else seen in Stripe's Dashboard only."""
    assert signatures(Seen()) == []
    assert signatures(Seen(refused=3, refused_ago=3_601)) == []
    [check] = signatures(Seen(refused=3, refused_ago=20))
    assert said(check) == [("webhook_signatures", "warning")]
    assert "STRIPE_WEBHOOK_SECRET" in str(check.next)


def test_secrets_in_files(tmp_path: Path) -> None:
    now = 2_000_000_000.0
    good, open_, old = (tmp_path / name for name in ("good", "open", "old"))
    for path in (good, open_, old):
        path.write_text("secret")
        path.chmod(0o600)
        os.utime(path, (now, now))
    open_.chmod(0o644)
    os.utime(old, (now, now - (OLD_DAYS + 1) * DAY / SECOND))

    def checks(*paths: Path, webhook_secrets: int = 1) -> list[Check]:
        return secrets(Installation(webhook_secrets, tuple(("STRIPE_SECRET_KEY", path) for path in paths)), now)

    assert said(*checks()) == [("secret_files", "ok")]
    assert said(*checks(good)) == [("secret_files", "ok")]
    assert [check.next for check in checks(good, open_)] == [f"chmod 0600 {open_}"]
    assert said(*checks(old)) == [("secret_files", "warning")]
    assert said(*checks(tmp_path / "gone")) == [("secret_files", "unknown")]
    assert said(*checks(webhook_secrets=2)) == [("webhook_secrets", "warning"), ("secret_files", "ok")]
    assert "secret" not in "".join(check.message for check in checks(old, open_)).replace(str(tmp_path), "")


@pytest.fixture(params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServedRoony]:
    with books_database(request.param) as url, serve(tmp_path, database_url=url) as roony:
        yield roony


def test_the_address_for_others(served: ServedRoony) -> None:
    for url, expected in (
        ("http://localhost:8000", "ok"), ("https://roony.example", "ok"), ("http://roony.example", "warning"),
    ):  # fmt: skip
        context = replace(served.context, public_url=lambda url=url: url)
        assert said(*public_url(context)) == [("public_url", expected)]


def test_how_long_what_is_kept(served: ServedRoony) -> None:
    """Either is right; which is set is said."""
    for kept, words in (
        (Retention(), "Bodies of Stripe's events are kept for ever, files of receipts for ever."),
        (Retention(90, 3_650), "Bodies of Stripe's events are kept for 90 days, files of receipts for 3650 days."),
    ):
        [check] = retention(replace(served.context, retention=kept))
        assert (check.id, check.status, check.message) == ("retention", "ok", words)


def test_a_collector_that_takes_nothing(served: ServedRoony) -> None:
    collector = Traces("http://127.0.0.1:9", {}, "roony")
    assert traces(served.context) == []
    context = replace(served.context, traces=collector)
    assert said(*traces(context)) == [("traces", "ok")]
    collector.dropped = 5
    assert said(*traces(context)) == [("traces", "warning")]


def test_a_whole_installation(served: ServedRoony) -> None:
    """Over HTTP: a worker holds the lease, a key is very old, nothing has come from Stripe, which is not there."""
    company, context = served.company(), served.context
    now = context.clock()
    context.till.write_and_wait(
        lambda writer: writer.execute(
            leases.insert(), name=DUTIES, holder="x", until=now + HOUR, generation=1, since=now
        )
    )
    old = now - (OLD_DAYS + 1) * DAY
    served.books.put(
        *(
            AccessKey(id, id, company.id, "admin", None, None, "old", "x", old, revoked, "", "", None, None, None, None)
            for id, revoked in (("key_old", None), ("key_gone", now))
        )
    )
    answer = company.owner.call("GET", "/api/v1/admin/doctor", headers={"X-Forwarded-For": "192.0.2.1"})
    found = {check["id"]: check for check in answer.json()["checks"]}
    # The PostgreSQL of tests does without fsync, or waits for no disk, may be shared with many, and no worker signs.
    aside = ("postgresql", "replication", "connections", "audit_signatures")
    assert {id: check["status"] for id, check in found.items() if check["status"] != "ok" and id not in aside} == {
        "proxies": "warning", "stripe": "missing", "clock": "unknown", "webhooks": "unknown", "access_keys": "warning",
    }  # fmt: skip
    assert found["access_keys"]["message"].startswith("1 keys")
    assert {"version", "public_url", "secret_files", "database", "secret_keys", "worker"} <= found.keys()
    kind = {"disk", "wal"} if context.database.is_sqlite else {"postgresql", "replication"}
    assert {"inbox", "outbox", *kind} <= found.keys()
    assert all(check["next"] for check in found.values() if check["status"] != "ok")


def kept(served: ServedRoony, id: str, owner: str | None, account: str | None, status: str, ago: int) -> InboxEvent:
    """An event that came so many seconds ago."""
    at = served.context.clock() - ago * SECOND
    return InboxEvent(
        id, account, 0, "x", owner, None, status, None, 0, at, 0, 0, at // SECOND, at, None, b"{}"
    )  # fmt: skip


def test_an_owner_is_told_of_the_others_only_where_there_are_none(served: ServedRoony) -> None:
    """Queues are the whole installation's where one organization is served; of several each sees what is its own."""
    one = served.company()
    con = served.context.new_id("con")
    served.books.put(
        Connection(one.id, con, "connect", "active", "acct_one", 0, "read_write", "usd", None, NOW, NOW),
        kept(served, "evt_one", one.id, "acct_one", "failed", 400),
        kept(served, "evt_new", None, "acct_one", "received", 10),
        kept(served, "evt_other", None, "acct_other", "received", 9_000),
        kept(served, "evt_dead", None, "acct_other", "dead", 9_000),
        kept(served, "evt_own_dead", one.id, "acct_one", "dead", 9_000),
        OutboxPromise(one.id, "out_1", "x", "x", "{}", "k", 0, "promised", 0, NOW, 0, 0, None, NOW, None),
    )

    def told(company: Company) -> dict[str, tuple[str, str]]:
        rows = company.owner.send("GET", "/api/v1/admin/doctor")["checks"]
        return {row["id"]: (row["status"], row["message"]) for row in rows}

    alone = told(one)
    assert (alone["inbox"][0], alone["inbox"][1].split(" wait")[0]) == ("missing", "3 Stripe events")
    assert alone["dead_events"][1] == "2 Stripe events were given up."
    assert alone["outbox"][1].startswith("1 promises to Stripe wait")

    other = served.company()
    beside = told(one)
    assert (beside["inbox"][0], beside["inbox"][1].split(" wait")[0]) == (
        "warning", "2 Stripe events of this organization",
    )  # fmt: skip
    assert beside["dead_events"][1] == "1 Stripe events of this organization were given up."
    assert beside["outbox"][1].startswith("1 promises to Stripe of this organization wait")
    theirs = told(other)
    assert theirs["inbox"] == ("ok", "No Stripe events of this organization wait.")
    assert theirs["outbox"] == ("ok", "No promises to Stripe of this organization wait.")
    assert "dead_events" not in theirs


def test_writes_that_fail_are_told_until_one_is_written(served: ServedRoony) -> None:
    """Also where a commit of nothing goes through, as on a PostgreSQL whose disk is full."""

    def database() -> tuple[str, str]:
        [check] = served.run(takes_writes)
        return check.status, check.message

    company = served.company()
    assert database()[0] == "ok"
    served.context.till.tally.failed(sqlite3.OperationalError("database or disk is full"))
    assert database() == ("missing", "A write failed 0 s ago (the disk is full), one of 1 since the start.")
    company.owner.send("POST", "/api/v1/admin/projects", {"name": "written"}, status=201)
    assert database()[0] == "warning"


def test_what_breaks_a_check_leaves_the_others(served: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a doctor of a Roony whose database is away."""

    def gone(*_: Any) -> Any:
        raise OSError("away")

    monkeypatch.setattr(type(served.context.database), "read", gone)
    checks = served.run(lambda context: examine(context, "org_x", Installation(), Seen()))
    found = {check.id: check.status for check in checks}
    assert found["work"] == found["access_keys"] == "unknown"
    assert found["version"] == "ok"


def test_every_check_is_in_the_docs() -> None:
    """By the ids that stand in the code."""
    root = Path(__file__).resolve().parents[2]
    table = (root / "docs/observability.md").read_text(encoding="utf-8").partition("<!-- checks -->")[2]
    listed = set(re.findall(r"^\| `(\w+)` \|", table.partition("<!-- end of checks -->")[0], re.MULTILINE))
    code = [*(root / "roony/flows/doctor").glob("*.py"), root / "roony/cli/doctor.py"]
    made = {id for path in code for id in re.findall(r'(?:\bCheck|_check|waiting)\(\s*"(\w+)"', path.read_text())}
    # Whose id is the name of a group of checks, where all of it breaks.
    assert listed == (made | {"work"}) - {"probe"}
