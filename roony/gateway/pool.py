"""The threads that Stripe calls run on, apart from everything else in the process.

A Stripe call can hold its thread for eleven seconds. In the event loop's default executor, 160 slow calls
once made an authorization wait 3.84 s for a thread, past Stripe's 2 s (measurements.md). So Stripe calls have
threads of their own, and a queue with an end: when it is full the caller hears so at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

THREADS = 16
WAITING = 64
"""Calls that may wait for a thread; at one second each the last of them waits four."""

P = ParamSpec("P")
T = TypeVar("T")


class GatewayBusy(Exception):
    """Every thread is taken and the queue is full, or the pool is closed. Nothing was sent."""


class GatewayPool:
    """`threads` threads and at most `waiting` calls waiting for one. Created and closed by the wiring."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        if threads < 1 or waiting < 0:
            raise ValueError("a gateway pool needs at least one thread and no negative queue")
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="roony-stripe")
        self._slots = threading.BoundedSemaphore(threads + waiting)
        self._calls, self._counting = 0, threading.Lock()
        self.most = threads + waiting

    @property
    def calls(self) -> int:
        """How many are on a thread or wait for one now."""
        return self._calls

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `function` on a thread of the pool and returns or raises what it does; GatewayBusy when full.

        A caller that is cancelled stops waiting. A call not yet begun is then dropped; one that has begun
        runs on and keeps its slot, because a thread cannot be stopped and its effect at Stripe cannot be
        taken back.
        """
        abandoned = threading.Event()
        context = contextvars.copy_context()

        def job() -> Any:
            return None if abandoned.is_set() else context.run(function, *args, **kwargs)

        future = self._submit(job)
        try:
            # Shielded, so that the slot is given back when the thread is done with the call and not before:
            # cancelled calls could otherwise pile up behind busy threads without limit.
            result: T = await asyncio.shield(asyncio.wrap_future(future))
            return result
        except asyncio.CancelledError:
            abandoned.set()
            # Cancelled from below, by close(), and not from above: this caller's own task goes on.
            task = asyncio.current_task()
            if future.cancelled() and not (task and task.cancelling()):
                raise GatewayBusy("the gateway pool was closed") from None
            raise

    def close(self) -> None:
        """Refuses new calls, drops waiting ones (GatewayBusy) and waits for those that have begun.

        Blocks up to the timeouts of a call: inside an event loop, run it on another thread.
        """
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, job: Callable[[], Any]) -> Future[Any]:
        if not self._slots.acquire(blocking=False):
            raise GatewayBusy("every Stripe thread is taken and the queue is full")
        try:
            future = self._executor.submit(job)
        except RuntimeError:
            self._slots.release()
            raise GatewayBusy("the gateway pool is closed") from None
        self._count(1)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _done: Future[Any]) -> None:
        self._count(-1)
        self._slots.release()

    def _count(self, more: int) -> None:
        with self._counting:
            self._calls += more
