"""A process that reads no more while PostgreSQL sends it rows: a paused machine, a network that was cut."""

from __future__ import annotations

import psycopg
import pytest

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
