"""One end of a connection to PostgreSQL falls silent: a machine without power or paused, a network that was cut."""

from __future__ import annotations

import os
import socket
from typing import Any

import psycopg
import pytest

from roony.store.commit_word import CommitWord
from roony.store.database import Database
from roony.store.postgres_writer import PostgresWriter
from tests.support.ports import hold_port
from tests.support.postgres import own_server

pytestmark = pytest.mark.postgres

# More than any buffer takes between the server and somebody who does not read.
MANY_ROWS = b"SELECT repeat('x', 50000000)"
LOCK = "SELECT * FROM locked FOR UPDATE"


def test_a_till_that_reads_no_more_lets_go_of_what_it_locked() -> None:
    """Neither the limit of a statement nor that of an open transaction ends a server that waits to send."""
    with (
        hold_port() as held,
        own_server(held.getsockname()[1]) as server,
        psycopg.connect(server.url, autocommit=True, options="-c lock_timeout=20000") as other,
    ):
        other.execute("CREATE TABLE locked AS SELECT 1 AS id")
        till = PostgresWriter(server.url)
        till.begin([])
        till.run(LOCK)
        till._connection.pgconn.send_query(MANY_ROWS)
        try:
            assert other.execute(LOCK).fetchall() == [(1,)]
        finally:
            till.close()


def _asks_after(connection: psycopg.Connection[Any]) -> tuple[int, ...]:
    """How soon the kernel asks whether the server is there, and again, in seconds; how long it waits, in ms."""
    with socket.socket(fileno=os.dup(connection.fileno())) as one:
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
        return tuple(one.getsockopt(socket.IPPROTO_TCP, option) for option in options)


def test_no_connection_waits_for_a_server_that_is_gone() -> None:
    """One that took a statement and lost its power was waited for until the kernel asked, after two hours."""
    with hold_port() as held, own_server(held.getsockname()[1]) as server:
        writer, database, word = PostgresWriter(server.url), Database(server.url), CommitWord(server.url)
        try:
            with database.engine.connect() as reader, word._connect() as hearing:
                driver: Any = reader.connection.driver_connection
                for connection in (writer._connection, driver, hearing):
                    assert _asks_after(connection) == (1, 1, 2_000)
        finally:
            writer.close()
            database.close()
            word.stop()
