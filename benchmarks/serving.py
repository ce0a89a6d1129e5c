"""Servers and load of a benchmark: each in a process of its own, measured from outside."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
from sqlalchemy.engine import make_url

from benchmarks.events import write_requests
from roony.store.vault import new_key
from tests.support.ports import hold_port
from tests.support.postgres import programs

ROONY = str(Path(sys.executable).with_name("roony"))
SECRET = "whsec_" + "benchmark0" * 4
START_SECONDS = 30
LOAD_SECONDS = 900
# Of 16 MB each, which a server of the benchmark has from the beginning.
LOG_FILES = 48
# Clock ticks of /proc in a second.
_TICKS = os.sysconf("SC_CLK_TCK")


class Served(NamedTuple):
    """A server that answers: its port, its process, and how long its start took, in seconds."""

    port: int
    pid: int
    started_in: float


class Usage(NamedTuple):
    """What a process has used so far: processor seconds, and memory it holds now, in megabytes."""

    cpu_seconds: float
    memory_mb: float


def environment(database_url: str, **more: str) -> dict[str, str]:
    """Settings of a Roony that never reaches Stripe."""
    return {
        "ROONY_DATABASE_URL": database_url, "ROONY_SECRET_KEYS": new_key(), "ROONY_REQUESTS_PER_MINUTE": "0",
        "STRIPE_SECRET_KEY": "sk_test_" + "benchmark0" * 3, "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_CONNECT_CLIENT_ID": "ca_benchmark", "STRIPE_API_BASE": "http://127.0.0.1:9",
        "STRIPE_CONNECT_BASE": "http://127.0.0.1:9", "ROONY_PUBLIC_URL": "http://localhost:8000", **more,
    }  # fmt: skip


def migrated(settings: dict[str, str]) -> None:
    """Lays the tables."""
    subprocess.run([ROONY, "migrate"], env=os.environ | settings, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip


@contextmanager
def serving(command: Sequence[str], settings: dict[str, str], log: Path | None = None) -> Iterator[Served]:
    """Starts a server whose last argument is its port; stops it by its own id. Raises SystemExit when it ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    with (log or Path(os.devnull)).open("wb") as output:
        began = time.monotonic()
        child = subprocess.Popen([*command, str(port)], env=os.environ | settings, stdout=output, stderr=output)
        try:
            _wait(port, child)
            yield Served(port, child.pid, round(time.monotonic() - began, 2))
        finally:
            child.terminate()
            child.wait(timeout=60)


def noop() -> Any:
    """The yardstick, served."""
    return serving([sys.executable, "-m", "benchmarks.noop"], {})


def roony(settings: dict[str, str], folder: Path) -> Any:
    """One process of Roony."""
    return serving([ROONY, "serve", "--port"], settings, folder / "serve.log")


def _wait(port: int, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if child.poll() is not None:
            raise SystemExit(f"A server ended with {child.returncode} before it answered.")
        try:
            urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"A server did not answer within {START_SECONDS} s.")


def load(folder: Path, port: int, connections: int, requests: list[bytes], expected: str) -> dict[str, Any]:
    """Sends prepared requests, closed loop, from a process of its own; what it saw."""
    path = folder / "requests.bin"
    write_requests(requests, path)
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(connections), str(path), expected]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LOAD_SECONDS)
    answer: dict[str, Any] = json.loads(done.stdout)
    if answer["wrong"]:
        raise SystemExit(f"{answer['wrong']} answers were not as expected: {answer['first_wrong']}")
    return answer


def metrics(port: int) -> dict[str, float]:
    """Roony's counters. Raises SystemExit when they cannot be read."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().split("\n")
    except URLError as error:
        raise SystemExit(f"Roony's metrics cannot be read: {error}") from error
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def usage(pid: int) -> Usage:
    """Of one process, read from /proc; zeros where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return Usage(0.0, 0.0)
    held = next(line for line in status.split("\n") if line.startswith("VmRSS:"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, round(int(held.split()[1]) / 1024, 1))


@contextmanager
def postgresql() -> Iterator[str | None]:
    """The address of a new database that flushes each commit: on the server in ROONY_BENCH_POSTGRES_URL, else on one
    started for this run; None where there is none."""
    named = os.environ.get("ROONY_BENCH_POSTGRES_URL")
    if named:
        with database_on(named) as url:
            yield url
        return
    binaries = programs()
    if binaries is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="roony-bench-postgres-"))
    user: dict[str, Any] = {"cwd": "/"}
    if os.geteuid() == 0:
        # PostgreSQL does not run as root.
        shutil.chown(folder, "nobody")
        user["user"] = "nobody"
    server = None
    try:
        made = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--locale=C",
                "-E", "UTF8"]  # fmt: skip
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, **user)
        with hold_port() as held:
            port = held.getsockname()[1]
        options = [f"-p{port}", "-clisten_addresses=127.0.0.1", f"-k{folder}", "-cshared_buffers=256MB",
                   "-cmax_wal_size=4GB", f"-cmin_wal_size={LOG_FILES * 16}MB"]  # fmt: skip
        server = subprocess.Popen([str(binaries / "postgres"), "-D", str(folder / "data"), *options],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)  # fmt: skip
        address = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        _until_it_answers(address)
        _age(address)
        yield address
    finally:
        if server is not None:
            server.terminate()
            server.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def _age(address: str) -> None:
    """Gives a new server the log files that one which has run for a while writes over again and again.

    Else it makes one of 16 MB every second under load, and the commit that needs it waits 50 ms for that.
    """
    with psycopg.connect(address, autocommit=True) as connection:
        for _ in range(LOG_FILES):
            connection.execute("SELECT pg_logical_emit_message(false, 'roony', 'one more file')")
            connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")


@contextmanager
def database_on(server: str) -> Iterator[str]:
    """The address of a new, empty database on a server, dropped again."""
    name = f"roony_bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield make_url(server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _until_it_answers(address: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(address, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
