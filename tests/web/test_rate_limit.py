"""Calls a minute: a moving window for each key, with bounded memory."""

from __future__ import annotations

import threading

from roony.web.rate_limit import MAX_KEYS, RateLimit, Windows


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_moves_with_the_calls() -> None:
    clock = Seconds()
    limit = RateLimit(clock)
    assert limit.wait_after("a", 2) == 0
    clock.now += 20
    assert limit.wait_after("a", 2) == 0
    # The first call counts for 40 seconds more; what is refused does not count.
    assert [limit.wait_after("a", 2) for _ in range(3)] == [40, 40, 40]
    assert limit.wait_after("b", 2) == 0
    clock.now += 39.5
    assert limit.wait_after("a", 2) == 1
    clock.now += 0.5
    assert limit.wait_after("a", 2) == 0
    assert limit.wait_after("a", 2) == 20


def test_a_look_counts_nothing_and_leaves_nothing() -> None:
    clock = Seconds()
    limit = RateLimit(clock)
    assert [limit.wait_before("a", 1) for _ in range(3)] == [0, 0, 0]
    assert not limit._limiter.storage._calls  # type: ignore[attr-defined]
    assert limit.wait_after("a", 1) == 0
    clock.now += 20
    assert [limit.wait_before("a", 1), limit.wait_after("a", 1)] == [40, 40]
    clock.now += 40
    assert limit.wait_before("a", 1) == 0


def test_memory_is_bounded_and_no_thread_sweeps_it() -> None:
    windows = Windows(Seconds())
    before = threading.active_count()
    for number in range(MAX_KEYS + 10):
        assert windows.acquire_entry(f"key {number}", 5, 60)
    assert len(windows._calls) == MAX_KEYS
    # The ones that called longest ago are forgotten.
    assert windows.get_moving_window("key 9", 5, 60)[1] == 0
    assert windows.get_moving_window(f"key {MAX_KEYS}", 5, 60)[1] == 1
    assert threading.active_count() <= before


def test_windows_that_are_over_are_forgotten_by_the_next_call_of_anybody() -> None:
    """Keys that are used much and then rotated would each leave all their last calls behind."""
    clock = Seconds()
    windows = Windows(clock)
    for number in range(10):
        assert windows.acquire_entry(f"key {number}", 5, 60)
    clock.now += 30
    assert windows.acquire_entry("key 0", 5, 60)
    clock.now += 30
    assert windows.acquire_entry("another", 5, 60)
    assert list(windows._calls) == ["key 0", "another"]
    assert windows.get_moving_window("key 0", 5, 60) == (clock.now - 30, 1)
