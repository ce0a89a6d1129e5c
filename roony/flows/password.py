"""Passwords as argon2id hashes: made and compared away from the event loop, few at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# OWASP's figures for argon2id: 19 MiB and two passes. Each comparison takes this memory while it lasts.
MEMORY_KIB, PASSES, LANES = 19_456, 2, 1
# Compared at the same time; more wait, so that wrong sign-ins take neither all memory nor all cores. In threads of
# their own: what waits there keeps no read of the books waiting.
AT_ONCE = 2
# Those that may wait behind them: a second or two of work. Who comes then is asked to come again.
MAX_WAITING = 60

# What is compared with where there is no password. It opens nothing, whatever is typed.
NOBODYS = "nobody signs in with this"

Done = TypeVar("Done")


class PasswordsBusy(Exception):
    """Too many passwords wait to be compared; nothing was looked at."""


_places = threading.BoundedSemaphore(AT_ONCE + MAX_WAITING)
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # noqa: PLC0415 (only where somebody signs in with a password)

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


@cache
def _of_nobody() -> str:
    """A hash to compare with where there is none, so that an unknown address takes as long as a known one."""
    return _hasher().hash(NOBODYS)


async def hash_password(text: str) -> str:
    """The hash that is kept of a password. Raises PasswordsBusy."""
    return await _in_turn(lambda: _hash(text))


async def is_password(hashed: str | None, text: str) -> bool:
    """True if this is the password of the hash; without one it is false, after the same time. Raises PasswordsBusy."""
    return await _in_turn(lambda: _compare(hashed, text))


async def _in_turn(work: Callable[[], Done]) -> Done:
    """Does the work in one of the threads. It keeps its place until a thread is through, whoever still waits."""
    if not _places.acquire(blocking=False):
        raise PasswordsBusy
    begun = _threads.submit(work)
    begun.add_done_callback(lambda _: _places.release())
    return await asyncio.wrap_future(begun)


def _hash(text: str) -> str:
    return _hasher().hash(text)


def _compare(hashed: str | None, text: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415

    try:
        _hasher().verify(hashed or _of_nobody(), text)
    except (Argon2Error, InvalidHashError):
        return False
    # One that was taken away is empty.
    return bool(hashed)
