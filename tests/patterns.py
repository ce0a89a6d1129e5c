"""`python -m tests.patterns`: how often the rules about unusual patterns are wrong on quiet agents, and what they find.

Made-up pasts (tests/support/past_companies.py), the same on every run; prints the table of docs/patterns.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from roony.core.anomaly.facts import PATTERNS, Finding
from roony.core.anomaly.past import would_have_told
from roony.core.anomaly.rules import SENSITIVITIES
from roony.core.anomaly.telling import PatternSettings
from roony.core.duration import DAY
from tests.support.past_companies import ATTACKS, Story, attack_stories, quiet_stories

# Agents of each of the eight kinds, attacks of each pattern, and months of the quiet ones.
EACH, ATTACKED, MONTHS = 8, 12, 12


class Count(NamedTuple):
    """Agent-months of quiet agents, false alerts by pattern, attacks mixed in, and those found, by pattern."""

    months: int
    false: Counter[str]
    attacks: Counter[str]
    found: Counter[str]


def told(story: Story, settings: PatternSettings) -> list[Finding]:
    """What people would have been told of this agent; of an attacked one, while the attack lasts or within a day."""
    since, until = (
        (story.since, story.until) if story.attack is None else (story.attack.begins, story.attack.ends + DAY)
    )
    return list(would_have_told(story.past, since, until, story.zone, settings))


def count(quiet: Iterable[Story], attacked: Iterable[Story], settings: PatternSettings) -> Count:
    """An attack is found when its own pattern is told."""
    months, false, attacks, found = 0, Counter[str](), Counter[str](), Counter[str]()
    for story in quiet:
        months += story.months
        false.update(finding.pattern for finding in told(story, settings))
    for story in attacked:
        if story.attack is not None:
            pattern = story.attack.pattern
            attacks[pattern] += 1
            found[pattern] += any(one.pattern == pattern for one in told(story, settings))
    return Count(months, false, attacks, found)


def table(sensitivity: str, counted: Count) -> str:
    """The counts as docs/patterns.md has them."""
    rows = [
        f"| Sensitivity `{sensitivity}` | Quiet agent-months | False alerts | Attacks | Found |",
        "| --- " + "| ---: " * 4 + "|",
    ]
    rows += [
        f"| `{pattern}` | {counted.months} | {counted.false[pattern]} | {counted.attacks[pattern]} |"
        f" {counted.found[pattern]} |"
        for pattern in PATTERNS
    ]
    false, attacks, found = (sum(one.values()) for one in (counted.false, counted.attacks, counted.found))
    return "\n".join([*rows, f"| all | {counted.months} | {false} | {attacks} | {found} |"])


def main(each: int, attacked: int, months: int, sensitivities: Iterable[str]) -> None:
    """Prints the table for each sensitivity."""
    for sensitivity in sensitivities:
        settings = PatternSettings(sensitivity=sensitivity)
        counted = count(quiet_stories(each, months), attack_stories(attacked), settings)
        sys.stdout.write(table(sensitivity, counted) + "\n\n")


if __name__ == "__main__":
    assert set(ATTACKS) == set(PATTERNS)
    sizes = [int(word) for word in sys.argv[1:4]] or [EACH, ATTACKED, MONTHS]
    main(*sizes, sys.argv[4:] or SENSITIVITIES)
