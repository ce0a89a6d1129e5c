"""`python -m tests.chaos.cluster`: three databases, three Roonys, load, and one thing after another that goes wrong.

Only what is named, if something is (`ACTS`). Runs in namespaces of its own (hosts.enter); tells on stderr what happens,
and prints the report as one line of JSON.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.cluster.company import Company, Load
from tests.chaos.cluster.hosts import HUB, enter, lay_network, missing
from tests.chaos.cluster.nodes import (
    DATABASES,
    ROONYS,
    SIMULATOR_PORT,
    DatabaseNode,
    RoonyNode,
    database_proxy,
    forward,
    haproxy,
    written,
)

READY_SECONDS = 90.0
# Load before the first and after each thing that goes wrong.
CALM_SECONDS = 8.0
POLL_SECONDS = 0.1
INSIDE = "--inside"
# What the program does, or what it is told of it: methods of Cluster.
ACTS = (
    "nothing", "kill_primary", "cut_off_primary", "kill_standby", "kill_roony", "cut_off_roony", "restart_all",
    "renew_workers",
)  # fmt: skip
# These may cost no approval. A late answer is left to the speed of the machine, which starts programs meanwhile:
# "nothing" says how many it costs by itself.
HARMLESS = ("nothing", "restart_all", "renew_workers")
LATE = "LATE"
NOTHING_SECONDS = 20.0
# The last Roony has so many processes.
WORKERS = 2
_console = Console(stderr=True)


def until(what: str, look: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    """Looks again until it is so; fails with `what`."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        time.sleep(POLL_SECONDS)


@dataclass
class Event:
    """One thing that went wrong, and when; what the merchants saw after it."""

    name: str
    at: float = field(default_factory=time.monotonic)
    first_approval: float = 0.0
    asked: int = 0
    declined: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0


class Cluster:
    """All nodes, with the company they serve."""

    def __init__(self, folder: Path) -> None:
        self.company = Company(folder)
        self.company.start_simulator_at(SIMULATOR_PORT)
        # The address of the double, as each node finds it on its own loopback.
        environment = self.company.environment(ROONY_LOG_FORMAT="json")
        self.databases = [DatabaseNode(name, folder) for name in DATABASES]
        *single, last = ROONYS
        self.roonys = [RoonyNode(name, folder, environment) for name in single]
        self.roonys.append(RoonyNode(last, folder, environment, WORKERS))
        self._folder, self._environment = folder, environment

    def start(self) -> None:
        """Databases, then the proxies of this host, the schema, the company, and the Roonys."""
        for database in self.databases:
            database.start()
        until("one primary and a synchronous standby", self.is_whole)
        servers = "\n    ".join(f"server {name} {address}:8000 check" for name, address in ROONYS.items())
        for file in (
            database_proxy(self._folder),
            forward(self._folder, f"{HUB}:{SIMULATOR_PORT}", f"127.0.0.1:{SIMULATOR_PORT}"),
            written("haproxy-roony.cfg", self._folder, BIND="127.0.0.1:8000", SERVERS=servers),
        ):  # fmt: skip
            with (self._folder / "haproxy.log").open("ab") as log:
                subprocess.Popen([haproxy(), "-f", str(file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until("the schema", self._migrated)
        assert self.company.init() == 0
        for roony in self.roonys:
            roony.start()
        until("three Roonys that are ready", lambda: all(roony.is_ready() for roony in self.roonys))
        self.company.owner = self.company.caller(self.company.admin_key())
        self.company.connect_direct()

    def _migrated(self) -> bool:
        """The proxy has to find the primary first."""
        migrate = [sys.executable, "-m", "roony", "migrate"]
        return subprocess.run(migrate, env=self._environment, check=False, capture_output=True).returncode == 0

    def primary(self) -> DatabaseNode | None:
        """The node that says so, if exactly one does."""
        found = [database for database in self.databases if database.role() == "primary"]
        return found[0] if len(found) == 1 else None

    def is_whole(self) -> bool:
        """One primary, and the others follow it, one of them synchronously."""
        return sorted(database.role() for database in self.databases) == ["primary", "replica", "sync_standby"]

    # What goes wrong; each leaves things as they were

    def nothing(self) -> Callable[[], None]:
        """For comparison."""
        time.sleep(NOTHING_SECONDS)
        return lambda: None

    def kill_primary(self) -> Callable[[], None]:
        """The host of the primary loses its power."""
        gone = self._the_primary()
        gone.host.kill()
        return gone.start

    def cut_off_primary(self) -> Callable[[], None]:
        """The host of the primary goes on, but nobody reaches it."""
        gone = self._the_primary()
        gone.host.cut_off()
        return gone.host.join

    def kill_standby(self) -> Callable[[], None]:
        """The host of the synchronous standby loses its power: the primary has to find another."""
        gone = next(database for database in self.databases if database.role() == "sync_standby")
        gone.host.kill()
        return gone.start

    def kill_roony(self) -> Callable[[], None]:
        """A host of Roony loses its power, with whatever it was doing."""
        self.roonys[0].host.kill()
        return self.roonys[0].start

    def cut_off_roony(self) -> Callable[[], None]:
        """A host of Roony is reached by nobody, and reaches nobody."""
        self.roonys[1].host.cut_off()
        return self.roonys[1].host.join

    def _the_primary(self) -> DatabaseNode:
        primary = self.primary()
        assert primary is not None
        return primary

    def restart_all(self) -> Callable[[], None]:
        """One Roony after the other ends as it is asked to and is started again, as with a new version."""
        for roony in self.roonys:
            assert roony.end() == 0
            roony.start_roony()
            until(f"{roony.name} ready", roony.is_ready)
        return lambda: None

    def renew_workers(self) -> Callable[[], None]:
        """One Roony gets new processes, one after the other, on SIGHUP."""
        node = self.roonys[-1]
        before = node.renewals()
        node.renew()
        until("all processes are new", lambda: node.renewals() > before)
        return lambda: None

    def is_well(self) -> bool:
        """Everything answers again."""
        return self.is_whole() and all(roony.is_ready() for roony in self.roonys)


def play(folder: Path, acts: Sequence[str]) -> dict[str, Any]:
    """The whole drama; returns the report. Fails when something is not as it must be."""
    lay_network()
    cluster = Cluster(folder)
    with cluster.company:
        _console.print("Starting three databases and three Roonys")
        cluster.start()
        events: list[Event] = []
        with Load(cluster.company) as load:
            until("the first approvals", lambda: sum(said.approved for said in load.said) > 10)
            for name in acts:
                time.sleep(CALM_SECONDS)
                until("all is well before the next thing goes wrong", cluster.is_well)
                event = Event(name.replace("_", " "))
                _console.print(f"{event.name} …")
                put_right = getattr(cluster, name)()
                until("approved again", lambda at=event.at: _approved_after(load, at) is not None)  # type: ignore[misc]
                put_right()
                until("all is well again", cluster.is_well)
                _sum_up(event, load)
                events.append(event)
                _console.print(
                    f"  first approval after {event.first_approval:.1f} s; meanwhile of {event.asked} declined"
                    f" {dict(event.declined)}; {event.unanswered} asks without an answer"
                )
                assert name not in HARMLESS or set(event.declined) <= {LATE}, event
            time.sleep(CALM_SECONDS)
        _console.print("Checking the books against Stripe's")
        cluster.company.check()
        return _report(load, events)


def _approved_after(load: Load, at: float) -> float | None:
    """When the first merchant who asked after `at` was told yes."""
    return min((said.answered_at for said in load.said if said.approved and said.asked_at > at), default=None)


def _sum_up(event: Event, load: Load) -> None:
    first = _approved_after(load, event.at)
    assert first is not None
    event.first_approval = first - event.at
    told = [said for said in load.said if said.answered_at > event.at]
    event.asked, event.declined = len(told), Counter(said.reason for said in told if not said.approved)
    event.unanswered = sum(at > event.at for at in load.unanswered)


def _report(load: Load, events: list[Event]) -> dict[str, Any]:
    return {
        "authorizations": len(load.said), "approved": sum(said.approved for said in load.said),
        "purchases": dict(load.asks), "lost": 0, "exceeded": 0, "errors": dict(load.errors),
        "events": [
            {
                "what": event.name, "first_approval_s": round(event.first_approval, 2), "asked": event.asked,
                "declined": dict(event.declined), "unanswered": event.unanswered,
            }
            for event in events
        ],
    }  # fmt: skip


def _show(report: dict[str, Any]) -> None:
    table = Table(title="What went wrong, and when the next authorization was approved")
    for name in ("what", "first approval after, s", "asked until all was well", "of these declined"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for event in report["events"]:
        declined = str(sum(event["declined"].values()))
        table.add_row(event["what"], f"{event['first_approval_s']:.1f}", str(event["asked"]), declined)
    _console.print(table)
    _console.print(
        f"{report['approved']} of {report['authorizations']} authorizations approved; 0 approved answers lost,"
        " 0 budgets exceeded; the books are Stripe's."
    )


def main() -> int:
    """Enters its namespaces, plays, prints. Returns the exit code."""
    if lacking := missing():
        _console.print(lacking)
        return 1
    if INSIDE in sys.argv:
        _, _, folder, *acts = sys.argv
        report = play(Path(folder), acts)
        _show(report)
        sys.stdout.write(json.dumps(report) + "\n")
        return 0
    acts = sys.argv[1:] or list(ACTS)
    if unknown := set(acts) - set(ACTS):
        _console.print(f"Not known: {', '.join(sorted(unknown))}. There are {', '.join(ACTS)}.")
        return 1
    return _run_inside(acts)


def _run_inside(acts: Sequence[str]) -> int:
    """What the nodes wrote is removed after the end of them all, and kept where something was not as it must be."""
    folder = Path(tempfile.mkdtemp(prefix="roony-cluster-"))
    # PostgreSQL and etcd run as another user.
    folder.chmod(0o755)
    inside = [sys.executable, "-m", "tests.chaos.cluster", INSIDE, str(folder), *acts]
    code = subprocess.run(enter(inside), check=False).returncode
    if code == 0:
        shutil.rmtree(folder)
    else:
        _console.print(f"What every node said lies in {folder}.")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
