"""Tries at a gate: what one that is taken back leaves of the others."""

from __future__ import annotations

from roony.core.duration import SECOND
from roony.core.sign_in import FIRST_WAIT, FREE_FAILURES, Tries, one_less, one_more

NOW = 1_000 * SECOND
FULL = Tries("gate", FREE_FAILURES, 0, NOW)


def test_a_try_taken_back_takes_its_own_lock_with_it() -> None:
    """Even where those before it are above what is free."""
    first = one_more(FULL, NOW)
    assert (first.failures, first.locked_until) == (FREE_FAILURES + 1, NOW + FIRST_WAIT * SECOND)
    assert one_less(first, first) == FULL
    later = first.locked_until
    second = one_more(first, later)
    assert (one_less(second, second).failures, one_less(second, second).locked_until) == (FREE_FAILURES + 1, 0)


def test_the_lock_of_a_later_try_stays() -> None:
    """A slow one that was right opens nothing to somebody who tried after it."""
    slow = one_more(FULL, NOW)
    wrong = one_more(slow, slow.locked_until)
    left = one_less(wrong, slow)
    assert (left.failures, left.locked_until) == (FREE_FAILURES + 1, wrong.locked_until)
    # What is free locks nobody, whoever it was.
    fifth = one_more(FULL, NOW)
    assert one_less(fifth, FULL).locked_until == 0
