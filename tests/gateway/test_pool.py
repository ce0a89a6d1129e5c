"""The pool of Stripe threads: bounded, apart from the default executor, honest when full."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest

from roony.gateway.pool import GatewayBusy, GatewayPool

pytestmark = pytest.mark.anyio

WAIT = 60
"""Seconds after which a stuck test gives up."""


@pytest.fixture
def pool() -> Iterator[GatewayPool]:
    """One thread, one waiting place."""
    made = GatewayPool(threads=1, waiting=1)
    yield made
    made.close()


class Gate:
    """A call that says when it has begun and stays until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.let_go.wait(WAIT)
        return threading.current_thread().name


async def begun(gate: Gate) -> None:
    """Returns once the gate's call runs."""
    assert await asyncio.to_thread(gate.begun.wait, WAIT)


async def test_a_result_and_an_error_come_back(pool: GatewayPool) -> None:
    def broken() -> None:
        raise LookupError("as is")

    assert await pool.run(divmod, 7, 2) == (3, 1)
    assert await pool.run(int, "ff", base=16) == 255
    with pytest.raises(LookupError, match="as is"):
        await pool.run(broken)


async def test_calls_run_on_threads_of_their_own(pool: GatewayPool) -> None:
    assert (await pool.run(lambda: threading.current_thread().name)).startswith("roony-stripe")


async def test_the_callers_context_comes_along(pool: GatewayPool) -> None:
    purchase: contextvars.ContextVar[str] = contextvars.ContextVar("purchase")
    purchase.set("pur_1")

    assert await pool.run(purchase.get) == "pur_1"


async def test_a_full_pool_says_so_at_once_and_recovers(pool: GatewayPool) -> None:
    first, second = Gate(), Gate()
    second.let_go.set()
    running = asyncio.create_task(pool.run(first))
    await begun(first)
    waiting = asyncio.create_task(pool.run(second))
    await asyncio.sleep(0)

    with pytest.raises(GatewayBusy):
        await pool.run(int)

    first.let_go.set()
    await asyncio.gather(running, waiting)
    assert await pool.run(int) == 0


async def test_a_stuck_pool_does_not_hold_the_default_executor(pool: GatewayPool) -> None:
    gate = Gate()
    running = asyncio.create_task(pool.run(gate))
    await begun(gate)

    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), WAIT) == "free"

    gate.let_go.set()
    await running


async def test_a_call_that_was_given_up_before_it_began_is_dropped_but_keeps_its_place(
    pool: GatewayPool,
) -> None:
    gate, ran = Gate(), threading.Event()
    running = asyncio.create_task(pool.run(gate))
    await begun(gate)
    given_up = asyncio.create_task(pool.run(ran.set))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up

    with pytest.raises(GatewayBusy):
        await pool.run(int)
    gate.let_go.set()
    await running
    assert await pool.run(int) == 0
    assert not ran.is_set()


async def test_a_begun_call_runs_on_when_its_caller_gives_up(pool: GatewayPool) -> None:
    gate = Gate()
    running = asyncio.create_task(pool.run(gate))
    await begun(gate)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    waiting = asyncio.create_task(pool.run(int))
    await asyncio.sleep(0)
    with pytest.raises(GatewayBusy):
        await pool.run(int)
    gate.let_go.set()
    assert await waiting == 0


async def test_closing_tells_those_who_wait_and_finishes_what_has_begun() -> None:
    pool, gate = GatewayPool(threads=1, waiting=1), Gate()
    running = asyncio.create_task(pool.run(gate))
    await begun(gate)
    waiting = asyncio.create_task(pool.run(int))
    await asyncio.sleep(0)

    closing = asyncio.create_task(asyncio.to_thread(pool.close))
    with pytest.raises(GatewayBusy, match="closed"):
        await waiting
    gate.let_go.set()

    assert (await running).startswith("roony-stripe")
    await closing
    with pytest.raises(GatewayBusy, match="closed"):
        await pool.run(int)


@pytest.mark.parametrize(("threads", "waiting"), [(0, 1), (1, -1)])
async def test_a_pool_without_threads_is_refused(threads: int, waiting: int) -> None:
    with pytest.raises(ValueError, match="at least one thread"):
        GatewayPool(threads=threads, waiting=waiting)
