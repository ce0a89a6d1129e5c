"""The nodes of a cluster: three databases under Patroni and etcd, three Roonys, each with a proxy beside it.

They run with the files in deploy/high-availability that a person would use.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from string import Template

import httpx2

from tests.chaos.cluster.hosts import HUB, NETWORK, Host
from tests.support.postgres import programs
from tests.support.served import clean_environment

FILES = Path(__file__).parents[3] / "deploy" / "high-availability"
DATABASES = {f"db{number}": f"10.77.0.1{number}" for number in (1, 2, 3)}
ROONYS = {f"roony{number}": f"10.77.0.2{number}" for number in (1, 2, 3)}
SIMULATOR_PORT = 8001
DATABASE_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
# As haproxy-roony.cfg says.
DRAIN_SECONDS = 5
# How long a node has to end when it is asked to, as docs/scaling.md says.
END_SECONDS = DRAIN_SECONDS + 75
# What a supervisor logs once all of its processes are new.
REPLACED = "serve.replaced"


def haproxy() -> str:
    """The program."""
    found = shutil.which("haproxy")
    assert found
    return found


def written(name: str, folder: Path, **values: str) -> Path:
    """One of the files with its places filled in."""
    path = folder / name
    path.write_text(Template((FILES / name).read_text()).substitute(values))
    return path


def database_proxy(folder: Path) -> Path:
    """Leads to the primary."""
    servers = [f"server {name} {address}:5432 check port 8008" for name, address in DATABASES.items()]
    return written("haproxy-database.cfg", folder, SERVERS="\n    ".join(servers))


def forward(folder: Path, bind: str, to: str) -> Path:
    """Carries one port over: the simulator answers on this machine's loopback only, and so must Stripe's double look to
    each node."""
    path = folder / "forward.cfg"
    path.write_text(
        "defaults\n    mode tcp\n    timeout connect 1s\n    timeout client 5m\n    timeout server 5m\n"
        f"listen stripe\n    bind {bind}\n    server stripe {to}\n"
    )
    return path


class DatabaseNode:
    """One host with etcd, Patroni and the PostgreSQL that Patroni runs."""

    def __init__(self, name: str, folder: Path) -> None:
        self.host = Host(name, DATABASES[name], folder)
        self.name, self.address = name, DATABASES[name]
        for each in (self.host.folder, self.host.folder / "etcd"):
            each.mkdir(exist_ok=True)
            shutil.chown(each, "postgres", "postgres")
            each.chmod(0o700)

    def start(self) -> None:
        """Starts both; a node that was there before takes up its data again."""
        folder, peers = self.host.folder, ",".join(f"{name}=http://{host}:2380" for name, host in DATABASES.items())
        known = (folder / "etcd" / "member").exists()
        self.host.start(
            "etcd", "--name", self.name, "--data-dir", str(folder / "etcd"), "--initial-cluster", peers,
            "--initial-cluster-state", "existing" if known else "new", "--log-level", "error", "--enable-v2",
            "--listen-peer-urls", f"http://{self.address}:2380",
            "--initial-advertise-peer-urls", f"http://{self.address}:2380",
            "--listen-client-urls", f"http://{self.address}:2379",
            "--advertise-client-urls", f"http://{self.address}:2379",
            user="postgres", environment=clean_environment(),
        )  # fmt: skip
        binaries = programs()
        assert binaries is not None
        file = written(
            "patroni.yml", folder, NAME=self.name, ADDRESS=self.address, NETWORK=NETWORK, FOLDER=str(folder),
            BINARIES=str(binaries), ETCD_HOSTS=",".join(f"{host}:2379" for host in DATABASES.values()),
        )  # fmt: skip
        self.host.start("patroni", str(file), user="postgres", environment=clean_environment())

    def role(self) -> str:
        """What Patroni says it is: primary, sync_standby, replica …; empty while it says nothing."""
        try:
            said = httpx2.get(f"http://{self.address}:8008/patroni", timeout=1, trust_env=False, verify=False).json()
        except (httpx2.HTTPError, json.JSONDecodeError):
            return ""
        running = said.get("state") == "running"
        standby = "sync_standby" if said.get("sync_standby") else "replica"
        return ("primary" if said.get("role") in ("master", "primary") else standby) if running else ""


class RoonyNode:
    """One host with Roony, in so many processes, and a proxy that leads to the primary and to Stripe's double."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str], workers: int = 1) -> None:
        self.host = Host(name, ROONYS[name], folder)
        self.name, self.address = name, ROONYS[name]
        self._environment, self._workers = environment, workers
        self._roony: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the proxies and Roony."""
        folder = self.host.folder
        for file in (
            database_proxy(folder), forward(folder, f"127.0.0.1:{SIMULATOR_PORT}", f"{HUB}:{SIMULATOR_PORT}"),
        ):  # fmt: skip
            self.host.start(haproxy(), "-f", str(file))
        self.start_roony()

    def start_roony(self) -> None:
        """Starts Roony alone."""
        arguments = [
            "serve", "--host", self.address, "--port", "8000", "--ready-json", "--workers", str(self._workers),
            "--drain-seconds", str(DRAIN_SECONDS),
        ]  # fmt: skip
        self._roony = self.host.start(sys.executable, "-m", "roony", *arguments, environment=self._environment)

    def end(self) -> int:
        """Asks Roony to end, as whoever puts a new version there does; its exit code."""
        assert self._roony is not None
        # `ip netns exec` becomes the program: it has the signal of whoever started it.
        self._roony.send_signal(signal.SIGTERM)
        return self._roony.wait(END_SECONDS)

    def renew(self) -> None:
        """Asks for new processes in the place of all there are; returns at once."""
        assert self._roony is not None
        self._roony.send_signal(signal.SIGHUP)

    def renewals(self) -> int:
        """How often that was done."""
        return (self.host.folder / f"{Path(sys.executable).name}.log").read_text().count(REPLACED)

    def is_ready(self) -> bool:
        """Whether it says that it is."""
        try:
            said = httpx2.get(f"http://{self.address}:8000/readyz", timeout=3, trust_env=False, verify=False)
        except httpx2.HTTPError:
            return False
        return bool(said.status_code == 200)
