"""The program: state across restarts, the shared clock, ready line, loopback only, odd input (issue: simulator)."""

from __future__ import annotations

import json
import random
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from roony.simulator.server import listen
from tests.support.raw_http import call
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder, said


def test_the_state_file_keeps_the_world_even_after_a_kill(tmp_path: Path) -> None:
    state = str(tmp_path / "world.db")
    with Receiver() as receiver:
        receiver.answer = lambda event: said({"approved": True}) if event["type"] == REQUEST else (503, {}, b"")
        with SimulatorProcess("--state", state, "--webhook-url", receiver.url) as first:
            account = first.connect()
            card = new_card(first.client(account), metadata={"a": "b"})
            authorization = authorize(first.client(account), card.id, 700)
            first.control("clock", {"advance": 5})
            before, secret = first.control("state"), first.webhook_secret
            first.stop(kill=True)
        receiver.received.clear()
        receiver.answer = lambda event: said({})
        with SimulatorProcess("--state", state, "--webhook-url", receiver.url) as second:
            assert (second.account, second.webhook_secret) == (first.account, secret)
            after = second.control("state")
            kept = ("accounts", "cards", "cardholders", "authorizations", "balance_transactions", "webhook_endpoints")
            assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
            assert [event["id"] for event in after["events"]] == [event["id"] for event in before["events"]]
            second.control("clock", {"advance": 60})
            receiver.wait_for("issuing_authorization.created")  # promised by the first process
            client = second.client(account)
            client.v1.test_helpers.issuing.authorizations.capture(authorization.id)
            number: Any = client.v1.issuing.cards.retrieve(card.id, {"expand": ["number"]})
            assert number.number[-4:] == card.last4


def test_what_was_being_asked_when_the_process_died_is_declined(tmp_path: Path) -> None:
    state, asked, release = str(tmp_path / "world.db"), threading.Event(), threading.Event()

    def hang(event: dict[str, Any]) -> Any:
        if event["type"] == REQUEST:
            asked.set()
            release.wait(60)
        return said({"approved": True})

    with Receiver(hang) as receiver, SimulatorProcess("--state", state, "--webhook-url", receiver.url) as first:
        client = first.client()
        card = new_card(client)

        def interrupted() -> None:
            with pytest.raises(Exception, match=r"[Cc]onnect"):
                authorize(client, card.id, 700)

        asking = threading.Thread(target=interrupted)
        asking.start()
        assert asked.wait(60)
        client.v1.balance.retrieve()  # any call writes what has changed so far
        first.stop(kill=True)
        release.set()
        asking.join(60)
        with SimulatorProcess("--state", state) as second:
            left = second.control("state")
            assert [one["status"] for one in left["authorizations"]] == ["closed"]
            assert left["authorizations"][0]["request_history"][0]["reason"] == "webhook_timeout"
            assert left["events"][-1]["type"] == "issuing_authorization.created"
            assert authorize(second.client(), card.id, 50_000).approved  # the daily 500.00 are free again


def test_a_follower_of_the_clock_is_waited_for(tmp_path: Path) -> None:
    shared = tmp_path / "clock"
    shared.write_bytes(struct.pack("<qqq", 5_000_000, 7, 7))  # left by an earlier run
    with SimulatorProcess("--clock-file", str(shared)) as simulator:
        offset, first, _ = struct.unpack("<qqq", shared.read_bytes())
        assert (offset, first) == (0, 8)
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(simulator.control("clock", {"advance": 90})))
        asking.start()
        generation = first
        while generation == first:
            offset, generation, _ = struct.unpack("<qqq", shared.read_bytes())
        assert (offset, answers) == (90_000_000, [])
        with shared.open("r+b") as file:
            file.seek(16)
            file.write(struct.pack("<q", generation))
        asking.join(60)
        assert answers[0]["acknowledged"] is True
        # After the move by 90 seconds, and not before.
        assert 0 <= simulator.control("clock")["now"] - answers[0]["now"] < 60


def whole_program(*options: str) -> subprocess.Popen[str]:
    """The simulator as everybody starts it, once it is ready."""
    command = [sys.executable, "-m", "roony.simulator", "--port", "0", "--ready-json", *options]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert json.loads(program.stdout.readline())["pid"] == program.pid
    return program


def test_it_ends_with_its_parent() -> None:
    with whole_program("--parent-pipe") as program:
        assert program.stdin is not None
        program.stdin.close()
        assert program.wait(60) == 0


def test_it_stops_on_a_signal_and_says_nothing_but_the_ready_line() -> None:
    with whole_program() as program:
        program.terminate()
        assert program.stdout is not None
        assert program.stdout.read() == ""
        assert program.wait(60) in {0, -15}


def test_it_listens_on_the_loopback_interface_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        listen("0.0.0.0", 0)  # noqa: S104 - that it is refused is the point


def test_it_imports_nothing_else_from_roony() -> None:
    program = "import sys, roony.simulator.server; print([m for m in sys.modules if m.startswith(('roony', 'stripe'))])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    others = [name for name in json.loads(loaded.replace("'", '"')) if not name.startswith("roony.simulator")]
    assert others == ["roony"]


_PATHS = (
    "/v1/issuing/cards",
    "/v1/issuing/cardholders",
    "/v1/test_helpers/issuing/authorizations",
    "/v1/test_helpers/issuing/transactions/create_force_capture",
    "/v1/issuing/authorizations/iauth_x/approve",
    "/v1/webhook_endpoints",
    "/v1/topups",
    "/v1/accounts",
    "/v1/events",
    "/oauth/token",
    "/oauth/authorize",
    "/_simulator/faults",
    "/_simulator/delivery",
    "/_simulator/clock",
)
_WORDS = (
    "a",
    "card",
    "amount",
    "currency",
    "type",
    "expand",
    "metadata",
    "spending_controls",
    "spending_limits",
    "url",
)
_VALUES = ("", "0", "-1", "9" * 30, "usd", "virtual", "true", "%00", "%ff%fe", "number", "a.b.c.d.e.f", "x" * 6000, "ї")


def _odd_body(chance: random.Random) -> str:
    def name() -> str:
        steps = "".join(f"[{chance.choice((*_WORDS, '', '0', '7', '['))}]" for _ in range(chance.randrange(4)))
        return chance.choice(_WORDS) + steps

    return "&".join(f"{name()}={chance.choice(_VALUES)}" for _ in range(chance.randrange(8)))


def test_odd_input_is_refused_and_never_crashes(simulator: SimulatorProcess) -> None:
    chance = random.Random(7)
    real = new_card(simulator.client())
    for _ in range(600):
        path, body = chance.choice(_PATHS), _odd_body(chance)
        if chance.random() < 0.5:
            body += f"&card={real.id}&amount={chance.choice(('1', '0', '99999999', '-5'))}&currency=usd"
        if chance.random() < 0.2:
            path = f"{path}?{_odd_body(chance)}".replace("ї", "x")
        status, _, _ = call(simulator, "POST", path, body)
        assert status < 500, (path, body)
    for _ in range(200):
        path = f"{chance.choice(_PATHS)}?{_odd_body(chance)}".replace("ї", "x")
        if "/oauth/authorize" not in path:
            assert call(simulator, "GET", path)[0] < 500, path


def test_too_long_and_wrong_bodies(simulator: SimulatorProcess) -> None:
    status, _, body = call(simulator, "POST", "/v1/topups", "a=" + "x" * 1_100_000)
    assert (status, body["error"]["type"]) == (413, "invalid_request_error")
    json_kind = {"Content-Type": "application/json"}
    assert call(simulator, "POST", "/v1/topups", "{}", json_kind)[0] == 400
    assert call(simulator, "POST", "/v1/topups", "a=1&a[b]=2")[0] == 400
    host, port = simulator.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(b"NONSENSE\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert new_cardholder(simulator.client()).id


@pytest.mark.parametrize("content", ["of another version", "no database"])
def test_a_state_file_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path, content: str) -> None:
    file = tmp_path / "state"
    if content == "no database":
        file.write_text("hello" * 1000)
    else:
        with closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE record (id TEXT)")
    before = file.read_bytes()
    command = [sys.executable, "-m", "roony.simulator", "--port", "0", "--state", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "Remove it, or choose another --state." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert file.read_bytes() == before
