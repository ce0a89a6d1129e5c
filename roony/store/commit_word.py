"""What one process committed is said to all others of the database, and heard from them: LISTEN and NOTIFY.

One connection and one thread for each process, on PostgreSQL only. The word goes out after the commit, in a
transaction of its own that waits for no disk: a NOTIFY inside the till's commits would make PostgreSQL let the commits
of all processes pass one at a time. So a word may be lost, with its process or its connection, and whoever relies on
it also looks by itself now and then.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

import psycopg
import structlog

from roony.store.writer import SILENT_AFTER

log = structlog.get_logger("roony.word")

CHANNEL = "roony_committed"
# What PostgreSQL calls the connection.
NAME = "roony word"
# Organizations named in one word; beyond that it names none, and who hears it looks at all. A NOTIFY holds 8,000 bytes.
MAX_NAMED = 100
# Commits that come within so many seconds are said together.
GATHER_SECONDS = 0.003
# How long a broken connection is left alone, in seconds.
RETRY_SECONDS = 1.0
STOP_SECONDS = 5.0
# What is read of the pipe at once: what a pipe holds.
PIPE_BYTES = 65_536


class CommitWord:
    """Says and hears what was committed. Started and stopped by the wiring."""

    def __init__(self, dsn: str) -> None:
        """`dsn` is how the driver connects to the database."""
        self._dsn = dsn
        self._on_heard: Callable[[Iterable[str] | None], None] = lambda _organization_ids: None
        self._lock = threading.Lock()
        self._unsaid: set[str] = set()
        self._hears = False
        self._stopping = threading.Event()
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        self._thread = threading.Thread(target=self._run, name="word", daemon=True)

    def start(self, on_heard: Callable[[Iterable[str] | None], None]) -> None:
        """Begins to listen; while the database is away it is tried again.

        `on_heard` is called on a thread with the organizations others committed for. None: something may have been
        missed, or be missed from now on.
        """
        self._on_heard = on_heard
        self._thread.start()

    def stop(self) -> None:
        """Says what is left, then ends."""
        self._stopping.set()
        self._stir()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    @property
    def hears(self) -> bool:
        """Whether what others commit is heard now."""
        return self._hears

    def committed(self, organization_ids: Iterable[str]) -> None:
        """To be said. For any thread; costs some microseconds."""
        with self._lock:
            if len(self._unsaid) <= MAX_NAMED:
                self._unsaid.update(organization_ids)
        self._stir()

    def _stir(self) -> None:
        # A full pipe wakes as well.
        with suppress(BlockingIOError):
            os.write(self._wake, b".")

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._connect() as connection, selectors.DefaultSelector() as ready:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._hears = True
                    self._on_heard(None)
                    self._serve(connection, ready)
            except Exception as error:
                # Whatever it was: who waits looks by himself until this thread hears again.
                log.warning("word.broken", error=type(error).__name__)
            if self._hears:
                self._hears = False
                self._on_heard(None)
            self._stopping.wait(RETRY_SECONDS)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self._dsn,
            autocommit=True,
            # A server that only reads hears nothing.
            target_session_attrs="read-write",
            application_name=NAME,
            options="-c synchronous_commit=off",
            **SILENT_AFTER,
        )

    def _serve(self, connection: psycopg.Connection, ready: selectors.BaseSelector) -> None:
        ready.register(self._woken, selectors.EVENT_READ)
        ready.register(connection.fileno(), selectors.EVENT_READ)
        own = connection.info.backend_pid
        while True:
            stopping = self._stopping.is_set()
            self._say(connection)
            for heard in connection.notifies(timeout=0):
                if heard.pid != own:
                    self._on_heard(heard.payload.split() or None)
            if stopping:
                return
            ready.select()
            with suppress(BlockingIOError):
                os.read(self._woken, PIPE_BYTES)

    def _say(self, connection: psycopg.Connection) -> None:
        if not self._unsaid:
            return
        self._stopping.wait(GATHER_SECONDS)
        with self._lock:
            said, self._unsaid = self._unsaid, set()
        text = " ".join(sorted(said)) if len(said) <= MAX_NAMED else ""
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))
