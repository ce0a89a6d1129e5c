"""The simulator ends when it is told to, whatever it is doing at that moment."""

from __future__ import annotations

import asyncio

import pytest

from roony.simulator.clock import Clock
from roony.simulator.delivery import Delivery
from roony.simulator.world import World

pytestmark = pytest.mark.anyio


async def test_a_stop_that_comes_together_with_news_is_heard() -> None:
    """The last request wakes the delivery in the same moment in which it is told to stop."""
    delivery = Delivery(World(Clock(), "sk_test_simulator"))
    running = asyncio.create_task(delivery.run())
    await asyncio.sleep(0)
    delivery.look()
    await asyncio.sleep(0)
    delivery.look()
    await asyncio.sleep(0)
    running.cancel()
    ended, _ = await asyncio.wait({running}, timeout=60)
    running.cancel()
    await delivery.close()
    assert ended
