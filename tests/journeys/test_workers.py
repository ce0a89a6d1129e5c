"""`roony serve --workers`: several processes behind one port, none of which is missed when it ends."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.support.postgres import books_database
from tests.support.served import BUDGETS, Installation, until
from tests.support.serving import Caller

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the processes through /proc"),
]
WORKERS = 2
# A process that is started loads all its modules.
PATIENCE = 90.0
ASK = "/api/v1/purchase_intents"


def children_of(pid: int) -> set[int]:
    """The processes a process has started and that live."""
    return {int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()}


class Workers(Installation):
    """The installation, served by several processes."""

    def start(self, *arguments: str) -> None:
        """All of it, with an active Stripe account and an agent."""
        owner_key = self.make()
        self.start_simulator()
        self.start_roony("--workers", str(WORKERS), *arguments)
        owner = self.caller(owner_key)
        assert owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)["status"] == "active"
        self.owner = owner
        body = {"name": "buyer", "budgets": BUDGETS}
        self.agent: Caller = self.caller(owner.send("POST", "/api/v1/admin/agents", body, 201)["key"])
        self.account = owner.get("/api/v1/admin/connections")["data"][0]["stripe_account"]

    @property
    def pids(self) -> set[int]:
        """Of the processes that answer."""
        assert self.roony is not None
        return children_of(self.roony.process.pid)

    def answering(self) -> set[int]:
        """Which processes take one of some connections opened at the same time."""
        together = threading.Barrier(16)

        def look(_number: int) -> int:
            with httpx2.Client(trust_env=False, verify=False, timeout=30) as client:
                together.wait(30)
                found = re.search(r'roony_process_info\{pid="(\d+)"\}', client.get(f"{self.url}/metrics").text)
            assert found is not None
            return int(found[1])

        with ThreadPoolExecutor(16) as threads:
            return set(threads.map(look, range(16)))


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Two processes, shared by the tests of this file."""
    with ExitStack() as stack:
        url = stack.enter_context(books_database("postgresql"))
        made = Workers(tmp_path_factory.mktemp("workers"), url)
        stack.callback(made.stop)
        made.start()
        yield made


def test_both_answer_on_one_port(workers: Workers) -> None:
    assert workers.roony is not None
    assert workers.roony.ready["url"] == workers.url
    assert workers.roony.ready["pid"] == workers.roony.process.pid
    assert len(workers.pids) == WORKERS
    until(workers.answering, workers.pids, PATIENCE)


def test_one_that_dies_is_missed_by_nobody_and_started_again(workers: Workers) -> None:
    before = workers.pids
    [victim, other] = sorted(before)
    os.kill(victim, signal.SIGKILL)
    until(lambda: workers.pids & before, {other})
    assert workers.answering() >= {other}
    until(lambda: len(workers.answering() | {other}), WORKERS, PATIENCE)
    assert victim not in workers.pids
