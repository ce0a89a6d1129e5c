"""The simulated clock: real time plus an offset that only ever grows, shared through a small file if wanted."""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

_SHAPE = struct.Struct("<qqq")  # offset in microseconds, generation, acknowledged generation
_ACKNOWLEDGE_SECONDS = 10.0
_POLL_SECONDS = 0.005


class Clock:
    """Tells simulated time. With a file, a second program follows the offset and acknowledges each change."""

    def __init__(self, file: str | None = None) -> None:
        self.offset = 0  # microseconds
        self._generation = 0
        self._watchers: list[Callable[[], None]] = []
        self._shared = _open_shared(Path(file)) if file else None
        if self._shared is not None:
            # The file may come from an earlier run: what counts is this world's offset.
            _, self._generation, _ = _SHAPE.unpack_from(self._shared, 0)
            self._publish()

    def now(self) -> int:
        """Return simulated Unix time in whole seconds."""
        return int(self.exact())

    def exact(self) -> float:
        """Return simulated Unix time in seconds, for timers (never for money)."""
        return time.time() + self.offset / 1_000_000

    def when_moved(self, watcher: Callable[[], None]) -> None:
        """Have `watcher` called after each jump, so that sleepers look at the time again."""
        self._watchers.append(watcher)

    def restore(self, offset: int) -> None:
        """Take the offset kept in a state file and publish it without waiting for anyone."""
        self.offset = offset
        self._publish()

    async def advance(self, seconds: int) -> bool:
        """Jump forward. With a shared file, wait until the follower has seen it; return whether it has."""
        self.offset += seconds * 1_000_000
        self._publish()
        for watcher in self._watchers:
            watcher()
        return await self._acknowledged()

    def _publish(self) -> None:
        self._generation += 1
        if self._shared is not None:
            # Offset before generation: a reader that sees the new generation must also see the new offset.
            struct.pack_into("<q", self._shared, 0, self.offset)
            struct.pack_into("<q", self._shared, 8, self._generation)

    async def _acknowledged(self) -> bool:
        if self._shared is None:
            return True
        deadline = time.monotonic() + _ACKNOWLEDGE_SECONDS
        while time.monotonic() < deadline:
            if struct.unpack_from("<q", self._shared, 16)[0] >= self._generation:
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False


def _open_shared(path: Path) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(descriptor).st_size < _SHAPE.size:
            os.ftruncate(descriptor, _SHAPE.size)
        return mmap.mmap(descriptor, _SHAPE.size)
    finally:
        os.close(descriptor)
