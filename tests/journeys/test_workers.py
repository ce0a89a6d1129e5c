"""`roony serve --workers`: several processes behind one port, none of which is missed when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from roony.flows.listening import listened_since
from roony.store.database import Database
from tests.support.ports import hold_ports
from tests.support.postgres import books_database
from tests.support.served import BUDGETS, SOFTWARE, WEBHOOK, Installation, request_event, sign, until
from tests.support.serving import Caller

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the processes through /proc"),
]
WORKERS = 2
# A process that is started loads all its modules.
PATIENCE = 90.0
PID = re.compile(r'^roony_process_info\{pid="(\d+)"\} 1$', re.MULTILINE)


def children_of(pid: int) -> set[int]:
    """The processes a process has started and that live."""
    return {int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()}


class Workers(Installation):
    """The installation, served by several processes."""

    _watched: Sequence[socket.socket] = ()

    def start(self) -> None:
        """All of it, with an active Stripe account and an agent."""
        owner_key = self.make()
        self.start_simulator()
        # Nobody else is given them meanwhile: a port that anybody called from is taken for a minute.
        self._watched = hold_ports(WORKERS + 1)
        self.watch = self._watched[0].getsockname()[1]
        self.serve()
        owner = self.caller(owner_key)
        assert owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)["status"] == "active"
        self.owner = owner
        body = {"name": "buyer", "budgets": BUDGETS}
        self.agent: Caller = self.caller(owner.send("POST", "/api/v1/admin/agents", body, 201)["key"])

    def serve(self) -> None:
        """Roony: two workers and a door."""
        more = ("--metrics-port", str(self.watch))
        self.start_roony("--workers", str(WORKERS), "--doors", "1", "--door-port", "0", *more)
        assert self.roony is not None
        self.door = self.roony.ready["door_url"]

    def stop(self) -> None:
        """Ends all programs."""
        super().stop()
        for held in self._watched:
            held.close()

    def card(self, merchant: str) -> str:
        """The card at Stripe of a new purchase."""
        shop = {"name": merchant, **SOFTWARE}
        wish = {"amount": 500_000, "currency": "usd", "description": "a thing", "merchant": shop}
        bought = self.agent.send("POST", "/api/v1/purchase_intents", wish, 201)
        until(lambda: self.agent.get(f"/api/v1/purchase_intents/{bought['id']}")["status"], "ready", PATIENCE)
        [card] = self.owner.get("/api/v1/admin/cards", params={"purchase_id": bought["id"]})["data"]
        return str(card["stripe_card_id"])

    def authorize(self, client: httpx2.Client, url: str, stripe_card: str, merchant: str) -> str:
        """Stripe asks for a cent, which is a card check and leaves room for many more; Roony's code."""
        event = request_event("", stripe_card, 1, merchant, int(time.time()))
        del event["account"]
        body = json.dumps(event).encode()
        signature = sign(body, self.WEBHOOK_SECRET, int(time.time()))
        answer = client.post(f"{url}{WEBHOOK}", content=body, headers={"Stripe-Signature": signature})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["metadata"]["code"])

    @property
    def pids(self) -> set[int]:
        """Of the processes that answer: the workers, and the door."""
        assert self.roony is not None
        return children_of(self.roony.process.pid)

    def answering(self) -> set[int]:
        """Which workers take one of some connections opened at the same time."""
        together = threading.Barrier(16)

        def look(_number: int) -> int:
            with httpx2.Client(trust_env=False, verify=False, timeout=30) as client:
                together.wait(30)
                return int(PID.findall(client.get(f"{self.url}/metrics").text)[0])

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


def own_client() -> httpx2.Client:
    """With connections of its own."""
    return httpx2.Client(trust_env=False, verify=False, timeout=PATIENCE)


def test_both_answer_on_one_port(workers: Workers) -> None:
    assert workers.roony is not None
    assert workers.roony.ready["url"] == workers.url
    assert workers.roony.ready["pid"] == workers.roony.process.pid
    assert len(workers.pids) == WORKERS + 1
    until(lambda: len(workers.answering()), WORKERS, PATIENCE)
    # And what a start asks: since when one of them listens.
    database = Database(workers.database_url)
    until(lambda: listened_since(database, int(time.time() * 1_000_000)) is not None, True, PATIENCE)
    database.close()


def test_each_process_is_watched_at_a_port_of_its_own(workers: Workers) -> None:
    with own_client() as client:
        seen = [int(PID.findall(client.get(f"http://127.0.0.1:{workers.watch + place}/metrics").text)[0])
                for place in range(WORKERS + 1)]  # fmt: skip
    assert set(seen) == workers.pids
    assert set(seen[:WORKERS]) >= workers.answering()


def test_the_door_answers_stripe_and_nobody_else(workers: Workers) -> None:
    """With a till of its own, in a process without pages, API and worker; the workers answer Stripe too."""
    stripe_card = workers.card("Linear")
    with own_client() as client:
        for url in (workers.door, workers.url):
            assert workers.authorize(client, url, stripe_card, "LINEAR") == "APPROVED"
        seen = client.get(f"{workers.door}/metrics").text
        assert "\nroony_till_authorizations_total 1\n" in seen
        assert int(PID.findall(seen)[0]) in workers.pids - workers.answering()
        assert client.get(f"{workers.door}/readyz").json()["status"] == "ok"
        for path in ("/", "/api/v1/budgets", "/openapi.json", "/mcp", "/static/roony.css"):
            answer = client.get(workers.door + path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), path


@pytest.mark.chaos
def test_all_are_replaced_while_authorizations_come_and_none_is_missed(workers: Workers) -> None:
    """A connection each that goes on and on, to the workers and to the door: no answer fails, no good one is declined.

    LATE is left to the speed of the machine, which starts three programs meanwhile.
    """
    assert workers.roony is not None
    stripe_card, over = workers.card("Figma"), threading.Event()

    def ask_on(url: str) -> Counter[str]:
        codes: Counter[str] = Counter()
        with own_client() as client:
            while not over.wait(0.02):
                codes[workers.authorize(client, url, stripe_card, "FIGMA")] += 1
        return codes

    before = workers.pids
    with ThreadPoolExecutor(4) as threads:
        try:
            asking = [threads.submit(ask_on, url) for url in (workers.url, workers.door) * 2]
            workers.roony.process.send_signal(signal.SIGHUP)
            until(lambda: (workers.pids & before, len(workers.pids)), (set(), WORKERS + 1), PATIENCE * 2)
        finally:
            over.set()
        answered = [done.result() for done in asking]
    assert all(codes["APPROVED"] for codes in answered)
    assert {code for codes in answered for code in codes} <= {"APPROVED", "LATE"}


def test_one_that_dies_is_missed_by_nobody_and_started_again(workers: Workers) -> None:
    before = workers.pids
    victim = min(workers.answering())
    os.kill(victim, signal.SIGKILL)
    until(lambda: workers.pids & before, before - {victim})
    assert victim not in workers.answering()
    until(lambda: len(workers.pids), WORKERS + 1, PATIENCE)
    until(lambda: len(workers.answering()), WORKERS, PATIENCE)


def test_sigterm_lets_everybody_go(workers: Workers) -> None:
    """Streams end whole, so that their readers come back."""
    assert workers.roony is not None
    left, headers = workers.pids, {"Authorization": f"Bearer {workers.agent.key}"}
    with own_client() as client, client.stream("GET", f"{workers.url}/api/v1/stream", headers=headers) as stream:
        lines = stream.iter_lines()
        assert [next(lines) for _ in range(2)] == [": Roony", "retry: 1000"]
        workers.roony.process.terminate()
        assert [line for line in lines if line.startswith("event:")] == []
    assert workers.roony.process.wait(PATIENCE) == 0
    assert not any(map(is_alive, left))
    # For whichever test comes next: a run spreads them over its processes.
    workers.roony.stop()
    workers.serve()


def is_alive(pid: int) -> bool:
    """Whether a process is there and more than a name whose parent has not looked."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
