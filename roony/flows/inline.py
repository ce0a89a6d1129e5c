"""Work that a caller waits for, but not for ever: it goes on when nobody waits any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger("roony.promises")

Answer = TypeVar("Answer")

# What outlives the request that started it; held so that it is not collected half-way.
_running: set[asyncio.Future[Any]] = set()


async def finish(work: Coroutine[Any, Any, Answer]) -> Answer:
    """What `work` answers or raises. It goes on when the caller is canceled."""
    return await asyncio.shield(_begun(work))


async def finish_in_time(work: Coroutine[Any, Any, Answer], timeout: float) -> Answer | None:
    """What `work` answers; None when that takes longer than `timeout` seconds or fails.

    It goes on in the background then, and from its promise's row when the process ends.
    """
    task = _begun(work)
    done, _ = await asyncio.wait({task}, timeout=timeout)
    return task.result() if done and not task.cancelled() and task.exception() is None else None


def _begun(work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Future[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("promise.inline_failed", error=type(error).__name__)
