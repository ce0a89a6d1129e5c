"""The processes of `roony serve --workers`, one by one: how long one may take to go, and what if there is none."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from roony.cli import supervisor
from roony.cli.output import FAILED
from roony.cli.server import address_of
from roony.cli.supervisor import Child, ChildFailed, Place, Supervisor
from roony.store.vault import new_key
from tests.support.books import lay_file

GOES_LATER = "trap 'sleep 0.2; exit 7' TERM; echo ready; while :; do sleep 0.02; done"
GOES_AT_END = "trap 'exit 7' TERM; echo ready; cat; exit 0"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


def test_a_process_may_take_its_time_to_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it answers on, it would take what it is answering with it."""
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.0)

    async def play() -> int:
        process = await asyncio.create_subprocess_exec("sh", "-c", GOES_LATER, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.readline()
        child = Child(process, 60.0)
        await child.stop()
        return (await child.ended())[0]

    assert asyncio.run(play()) == 7


def test_one_that_is_to_go_at_once_is_told_by_the_end_of_its_input_alone() -> None:
    """A SIGTERM that is seen first would let it say "not ready", where another answers at the same port."""

    async def play() -> int:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("sh", "-c", GOES_AT_END, stdin=pipe, stdout=pipe)
        assert process.stdout is not None
        await process.stdout.readline()
        child = Child(process, 60.0)
        await child.stop(at_once=True)
        return (await child.ended())[0]

    assert asyncio.run(play()) == 0


def test_no_process_to_be_had_is_one_that_failed(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is tried again, and the others go on."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ChildFailed) as raised:
        asyncio.run(Child.start(Place("web", 0, listener, "http://x", 0.0)))
    assert raised.value.code == FAILED


# In place of a process that answers: $5 is its number. It goes on TERM or when its standard input is closed, slowly
# where the folder says so.
PROGRAM = """#!/bin/sh
cd "{folder}"
touch "began-$5-$$"
while [ -e "held-$5" ]; do sleep 0.01; done
[ -e "broken-$5" ] && exit 1
trap 'while [ -e "slow-$$" ]; do sleep 0.2; done; touch "left-$$"; exit 0' TERM
exec 3<&0
(cat <&3; kill -TERM $$) >/dev/null 2>&1 &
echo "{{\\"pid\\": $$}}"
while :; do sleep 0.02; done
"""


class Stage:
    """A supervisor of two such processes, and what the folder tells of them."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.folder = folder
        self.supervisor = Supervisor([Place("web", number, listener, "http://x", 0.0) for number in (0, 1)])
        self.stop, self.anew, self.ready = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def pids(self) -> list[int]:
        """Of those that answer, or did last, by their place."""
        return [self.supervisor._children[number].ready["pid"] for number in (0, 1)]

    def began(self, number: int) -> int:
        """How many were begun at a place."""
        return len(list(self.folder.glob(f"began-{number}-*")))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110 - a process tells no event
                await asyncio.sleep(0.01)

    async def play(self, scene: Callable[[Stage], Any]) -> None:
        run = asyncio.create_task(self.supervisor.run(self.stop, self.anew, lambda _ready: self.ready.set()))
        try:
            await self.ready.wait()
            await scene(self)
        finally:
            self.stop.set()
            assert await run is True


@pytest.fixture
def stage(listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    program = tmp_path / "program"
    program.write_text(PROGRAM.format(folder=tmp_path), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return Stage(tmp_path, listener)


def test_a_place_that_cannot_start_keeps_no_other_from_being_replaced(stage: Stage) -> None:
    """What began to start there before is replaced as well: it may be of the old release."""

    async def scene(stage: Stage) -> None:
        before = stage.pids()
        (stage.folder / "held-0").touch()
        os.kill(before[0], signal.SIGKILL)
        await stage.until(lambda: stage.began(0) == 2)
        stage.anew.set()
        await stage.until(lambda: stage.pids()[1] != before[1])
        assert stage.pids()[0] == before[0]
        (stage.folder / "held-0").unlink()
        # The old one of the other place has left, and what began here before.
        await stage.until(lambda: len(list(stage.folder.glob("left-*"))) == 2)
        assert stage.began(0) == 3
        # Asked for once more while nothing starts there: the others follow as before.
        (stage.folder / "broken-0").touch()
        replaced = stage.pids()
        os.kill(replaced[0], signal.SIGKILL)
        await stage.until(lambda: stage.began(0) > 4)
        stage.anew.set()
        await stage.until(lambda: stage.pids()[1] != replaced[1])
        (stage.folder / "broken-0").unlink()
        await stage.until(lambda: stage.pids()[0] != replaced[0])

    asyncio.run(stage.play(scene))


def test_a_stop_waits_for_one_that_was_replaced_as_well(stage: Stage) -> None:
    """Left behind, it would hold the port, and nobody would ever kill it. The supervisor holds it no more by then."""
    old = 0

    async def scene(stage: Stage) -> None:
        nonlocal old
        old = stage.pids()[0]
        slow = stage.folder / f"slow-{old}"
        slow.touch()
        stage.anew.set()
        await stage.until(lambda: stage.pids()[0] != old)
        stage.stop.set()
        # Once the new one has gone, which a stop tells no later than the old one.
        new = stage.pids()[0]
        await stage.until((stage.folder / f"left-{new}").exists)
        assert [place.listener.fileno() for place in stage.supervisor._places] == [-1, -1]
        slow.unlink()

    asyncio.run(stage.play(scene))
    assert (stage.folder / f"left-{old}").exists()


def own_client() -> httpx2.AsyncClient:
    """With a connection of its own."""
    return httpx2.AsyncClient(trust_env=False, timeout=60)


def test_one_that_is_replaced_or_whose_supervisor_is_killed_ends_at_once(
    listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answering on for its `drain_seconds`, it would hold the port that a new supervisor needs.

    Its last answers do not say "not ready": another answers at the same port, and a proxy would pass over both.
    """
    lay_file(tmp_path / "roony.db")
    for name, value in {
        "ROONY_DATABASE_URL": f"sqlite:///{tmp_path}/roony.db",
        "ROONY_SECRET_KEYS": new_key(),
        "STRIPE_SECRET_KEY": "sk_test_installation",
        "STRIPE_WEBHOOK_SECRET": "whsec_that_is_long_enough_for_one",
    }.items():
        monkeypatch.setenv(name, value)
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    async def play() -> int:
        child = await Child.start(Place("door", 0, listener, "http://x", 300.0))
        async with asyncio.timeout(60), own_client() as one, own_client() as other:
            url, asking = address_of(listener), [one, other]
            for client in asking:
                assert (await client.get(f"{url}/readyz")).status_code == 200
            stopping = asyncio.create_task(child.stop(at_once=True))
            # Each until its connection ends. What it is told to go by comes while one of them asks, at most.
            while asking:
                for client in tuple(asking):
                    answer = await client.get(f"{url}/readyz")
                    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
                    if answer.headers.get("connection") == "close":
                        asking.remove(client)
            await stopping
            return (await child.ended())[0]

    assert asyncio.run(play()) == 0
