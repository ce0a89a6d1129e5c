"""The times people write."""

from __future__ import annotations

import pytest

from roony.core.duration import DAY, HOUR, SECOND, parse_since

NOW = 1_795_392_000_000_000


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90m", NOW - 90 * 60 * SECOND),
        ("2h", NOW - 2 * HOUR),
        ("7d", NOW - 7 * DAY),
        ("1970-01-01T00:00:01Z", SECOND),
        ("2026-11-22T12:00:00+02:00", 1_795_341_600_000_000),
        ("", None), ("now", None), ("0h", None), ("-2h", None), ("2", None), ("2w", None), ("1e3h", None),
        ("2026-11-22", None), ("2026-11-22T12:00:00", None), ("2999-01-01T00:00:00Z", None),
        ("1960-01-01T00:00:00Z", None), ("9999999d", None),
    ],
)  # fmt: skip
def test_times_as_people_write_them(text: str, at: int | None) -> None:
    assert parse_since(text, NOW) == at
