"""What `/metrics` tells of the database: read at most every few seconds, and left out while it does not answer."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import structlog

from roony.core.budget import SCOPES
from roony.flows.context import FlowContext
from roony.store.queries.events import ownerless_events
from roony.store.queries.gauges import Gauges, budgets_after, gauges

log = structlog.get_logger("roony.web")

# How long figures are good, in seconds.
FRESH_SECONDS = 5.0
# Budgets are many: a look goes through so many pages of them, then the next one goes on. Once through, they rest.
BUDGET_PAGES = 5
BUDGET_SECONDS = 60.0
# Shares of a limit from which on a budget is counted as used.
SHARES = (0.5, 0.8, 0.95, 1.0)
# And how long somebody who asks waits for new ones.
PATIENCE_SECONDS = 2.0


class BudgetFigures(NamedTuple):
    """Budgets by scope and share of the limit used, and the largest share by organization and scope."""

    used: dict[tuple[str, float], int]
    largest: dict[tuple[str, str], float]


class Figures(NamedTuple):
    """One look at the database. `budgets` is None until all of them have been looked at once."""

    gauges: Gauges
    ownerless: int
    budgets: BudgetFigures | None


class BudgetSweep:
    """Goes through all budgets, a few pages at a time."""

    def __init__(self, context: FlowContext) -> None:
        """At the beginning."""
        self._context = context
        self._found: BudgetFigures | None = None
        self._due = 0.0
        self._begin()

    def _begin(self) -> None:
        self._after = ("", "")
        self._now = BudgetFigures({(scope, share): 0 for scope in SCOPES for share in SHARES}, {})

    def step(self) -> BudgetFigures | None:
        """Goes on; what the last walk through all of them found."""
        if time.monotonic() < self._due:
            return self._found
        for _ in range(BUDGET_PAGES):
            page = budgets_after(self._context.database, self._after, self._context.clock())
            for use in page.uses:
                key = (use.organization_id, use.scope)
                self._now.largest[key] = max(use.share, self._now.largest.get(key, 0.0))
                for share in SHARES:
                    self._now.used[use.scope, share] += use.share >= share
            if page.last is None:
                self._found, self._due = self._now, time.monotonic() + BUDGET_SECONDS
                self._begin()
                break
            self._after = page.last
        return self._found


class FiguresReader:
    """One for each process; everybody who asks at the same time waits for the same look."""

    def __init__(self, context: FlowContext) -> None:
        """Nothing is read before somebody asks."""
        self._context = context
        self._found: Figures | None = None
        self._budgets = BudgetSweep(context)
        self._due = 0.0
        self._looking: asyncio.Task[Figures | None] | None = None

    async def now(self) -> Figures | None:
        """The figures, a few seconds old at most; None while the database does not answer."""
        if time.monotonic() < self._due:
            return self._found
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="figures")
        done, _ = await asyncio.wait({self._looking}, timeout=PATIENCE_SECONDS)
        return self._looking.result() if done else None

    async def _look(self) -> Figures | None:
        try:
            self._found = await asyncio.to_thread(self._read)
        except Exception as error:
            log.warning("web.not_counted", what="figures of the database", error=type(error).__name__)
            self._found = None
        self._due = time.monotonic() + FRESH_SECONDS
        return self._found

    def _read(self) -> Figures:
        database = self._context.database
        return Figures(gauges(database), ownerless_events(database), self._budgets.step())
