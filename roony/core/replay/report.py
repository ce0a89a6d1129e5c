"""What a replay found: how many decisions would have been others, their sums, and the first of them one by one."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from roony.core.replay.course import Outcome

# Changes that are kept one by one; all of them count in the sums.
MAX_SHOWN = 1_000


class Sum(NamedTuple):
    """How many decisions became which other ones in one currency, and the amounts they were about, in minor units."""

    before: str
    after: str
    currency: str
    decisions: int
    amount: int


class Report:
    """Counts outcomes as they are told."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.decisions = 0
        self.unchanged = 0
        self.untold: dict[str, int] = defaultdict(int)
        self.shown: list[Outcome] = []
        self.changed = 0
        self._sums: dict[tuple[str | None, str, str, str], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, outcome: Outcome) -> None:
        """One more decision; the same verdict for other reasons is a change too."""
        self.decisions += 1
        if outcome.after is None:
            self.untold[outcome.untold or ""] += 1
            return
        if outcome.before == outcome.after and _codes(outcome.before_reasons) == _codes(outcome.after_reasons):
            self.unchanged += 1
            return
        self.changed += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(outcome)
        for agent in (None, outcome.purchase.chain.agent_id):
            pair = self._sums[(agent, outcome.before, outcome.after, outcome.purchase.currency)]
            pair[0] += 1
            pair[1] += outcome.amount

    @property
    def sums(self) -> list[Sum]:
        """Those of the whole organization."""
        return self._of(None)

    @property
    def by_agent(self) -> dict[str, list[Sum]]:
        """Those of each agent that has some, by its id."""
        return {agent: self._of(agent) for agent in sorted({key[0] for key in self._sums if key[0] is not None})}

    def _of(self, agent: str | None) -> list[Sum]:
        return [Sum(*key[1:], *pair) for key, pair in sorted(self._sums.items(), key=str) if key[0] == agent]


def _codes(reasons: tuple[tuple[str, str, str | None], ...]) -> list[tuple[str, str | None]]:
    return [(code, scope) for code, _, scope in reasons]
