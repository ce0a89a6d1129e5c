"""The processes of `roony serve --workers`, one by one: how long one may take to go, and what if there is none."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator

import pytest

from roony.cli import supervisor
from roony.cli.output import FAILED
from roony.cli.supervisor import Child, ChildFailed, Place

GOES_LATER = "trap 'sleep 0.2; exit 7' TERM; echo ready; while :; do sleep 0.02; done"


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


def test_no_process_to_be_had_is_one_that_failed(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is tried again, and the others go on."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ChildFailed) as raised:
        asyncio.run(Child.start(Place("web", 0, listener, "http://x", 0.0)))
    assert raised.value.code == FAILED
