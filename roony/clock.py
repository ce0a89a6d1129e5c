"""What time it is: the system's clock, or with the simulator the system's clock plus the simulator's offset."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

# Offset in microseconds, generation, acknowledged generation; the simulator writes the first two, Roony the third.
_SHAPE = struct.Struct("<qqq")
_ACKNOWLEDGED = struct.Struct("<q")
_ACKNOWLEDGED_AT = 16


class Clock:
    """Microseconds UTC. `generation` and `acknowledge` mean something only where the clock can be moved."""

    def __call__(self) -> int:
        """Now, in microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def generation(self) -> int:
        """How often the clock was moved; read it before a round of timed duties."""
        return 0

    def acknowledge(self, generation: int) -> None:
        """Says that a whole round of duties ran at or after this move."""


class FollowedClock(Clock):
    """Follows the simulator's clock through a small shared file, so that one call moves both programs."""

    def __init__(self, file: Path) -> None:
        """Opens `file` and makes it if need be; whoever starts first makes it, the simulator or Roony."""
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < _SHAPE.size:
                os.ftruncate(descriptor, _SHAPE.size)
            self._shared = mmap.mmap(descriptor, _SHAPE.size)
        finally:
            os.close(descriptor)

    def __call__(self) -> int:
        """Now, moved by the simulator's offset; reading it costs no system call beyond the clock's own."""
        offset: int = _SHAPE.unpack_from(self._shared)[0]
        return time.time_ns() // 1000 + offset

    def generation(self) -> int:
        """How often the simulator moved its clock."""
        generation: int = _SHAPE.unpack_from(self._shared)[1]
        return generation

    def acknowledge(self, generation: int) -> None:
        """Lets the simulator's `clock` call answer: everything that was due at this move has been looked at."""
        _ACKNOWLEDGED.pack_into(self._shared, _ACKNOWLEDGED_AT, generation)
