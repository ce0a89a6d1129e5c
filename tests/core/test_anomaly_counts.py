"""Wrong alerts on made-up quiet agents stay few, and attacks mixed in are found (docs/patterns.md has the table)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from roony.core.anomaly.facts import PATTERNS
from roony.core.anomaly.telling import PatternSettings
from tests.patterns import ATTACKED, EACH, MONTHS, Count, count, table
from tests.support.past_companies import ATTACKS, QUIET, Story, attack_stories, quiet_stories
from tests.support.progress import Progress

# Of twelve attacks of each pattern so many are found at least; the others hide behind what is usual for their agent.
FOUND = {
    "card_testing": 11, "many_declines": 10, "burst": 11, "under_threshold": 11, "new_country": 8, "off_hours": 6,
    "new_merchants": 9, "repeated_text": 11, "price_drift": 10,
}  # fmt: skip


DOCS = Path(__file__).parents[2] / "docs" / "patterns.md"


def share(counted: Count) -> float:
    """Wrong alerts of all patterns for 100 agent-months."""
    return 100 * sum(counted.false.values()) / counted.months


def test_few_are_wrong_and_attacks_are_found() -> None:
    """One agent of each kind for four months, two attacks of each pattern."""
    counted = count(quiet_stories(1, 4), attack_stories(2), PatternSettings())
    assert counted.months == 32
    assert sum(counted.false.values()) == 0, counted.false
    assert sum(counted.attacks.values()) == 2 * len(PATTERNS)
    assert sum(counted.found.values()) >= 15, counted.found


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_at_most_one_in_a_hundred_agent_months_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """As many as in the table, which says what is counted here."""
    tell, of = Progress(capsys), len(QUIET) * EACH + len(ATTACKS) * ATTACKED
    numbers = iter(range(1, of + 1))

    def telling(stories: Iterator[Story]) -> Iterator[Story]:
        for story in stories:
            tell(f"past {next(numbers)} of {of}: {story.kind}")
            yield story

    counted = count(telling(quiet_stories(EACH, MONTHS)), telling(attack_stories(ATTACKED)), PatternSettings())
    told = table("normal", counted)
    with capsys.disabled():
        Console().print(f"\n{told}")
    assert share(counted) <= 1, counted.false
    assert set(FOUND) == set(ATTACKS) == set(PATTERNS)
    assert {pattern: counted.found[pattern] for pattern in FOUND if counted.found[pattern] < FOUND[pattern]} == {}
    assert told in DOCS.read_text("utf-8")


def test_the_same_seed_makes_the_same_past() -> None:
    first, second = (list(attack_stories(1, 7)) for _ in range(2))
    assert first == second
    assert len({story.past.facts for story in first}) == len(first)
