"""An unusual pattern of an agent becomes an alert, and freezes the agent where its organization wants that.

1. Facts are read and the rules asked outside of any commit (`look_at_agent`); nothing is held up by it.
2. `TellPattern` looks once more at what is true now: the settings, and what was told already. It opens the alert, and
   freezes the agent in the same commit.
3. `EndPattern` closes an alert when nothing more was seen for a week.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from roony.core.agent import Agent, Organization
from roony.core.alert import Alert
from roony.core.anomaly.facts import Finding, cut_of
from roony.core.anomaly.past import Past
from roony.core.anomaly.rules import SENSITIVITIES, Look, look_at
from roony.core.anomaly.telling import KIND, PatternSettings, is_news, is_over, is_renewed, message, pattern_settings
from roony.core.anomaly.usual import PRICES_TAUGHT_BY, Limit, Usual, learn
from roony.core.audit import ROONY
from roony.core.duration import WEEK
from roony.flows.alert import alert_row, close_alert, raise_alert
from roony.flows.freeze import Freeze
from roony.flows.scope import scope_needs
from roony.store.book import Book
from roony.store.command import Command
from roony.store.database import Database
from roony.store.facts import Needs
from roony.store.queries.patterns import limits_of, past_of

# Purchases of an agent that are read to learn what is usual, and of the last week at each look.
MAX_TAUGHT_BY, MAX_LATELY = 10_000, 2_000


@dataclass(frozen=True, slots=True)
class TellPattern(Command[bool]):
    """Opens the alert of a finding, unless it was told. True when it was opened."""

    organization_id: str
    agent_id: str
    finding: Finding
    promise_id: str

    def needs(self, now: int) -> Needs:
        """The agent and the alert."""
        scope = scope_needs(self.organization_id, "agent", self.agent_id)
        return scope._replace(rows=(alert_row(self.organization_id, KIND + self.finding.pattern, self.agent_id),))

    def apply(self, book: Book, now: int) -> bool:
        """An open alert is kept open by what is still seen. A pattern switched off meanwhile is not told."""
        org, finding = self.organization_id, self.finding
        organization, agent = book.need(Organization, org), book.get(Agent, org, self.agent_id)
        settings = pattern_settings(organization.settings)
        if agent is None or finding.pattern not in settings.on:
            return False
        row, _, id = alert_row(org, KIND + finding.pattern, self.agent_id)
        alert = book.get(row, org, id)
        if alert is not None and is_renewed(alert, finding):
            book.put(alert._replace(updated_at=now))
        if not is_news(alert, finding):
            return False
        freezes = settings.freezes(finding.pattern) and agent.frozen_at is None
        words = message(finding, ZoneInfo(organization.time_zone), freezes)
        raise_alert(book, org, KIND + finding.pattern, self.agent_id, words, now)
        if freezes:
            Freeze(org, "agent", self.agent_id, ROONY, self.promise_id).apply(book, now)
        return True


@dataclass(frozen=True, slots=True)
class EndPattern(Command[None]):
    """Closes the alert of a pattern that is over."""

    organization_id: str
    alert_id: str

    def needs(self, now: int) -> Needs:
        """The alert."""
        return Needs(rows=((Alert, self.organization_id, self.alert_id),))

    def apply(self, book: Book, now: int) -> None:
        """One that was seen again meanwhile, or closed, stays as it is."""
        alert = book.get(Alert, self.organization_id, self.alert_id)
        if alert is not None and is_over(alert, now):
            close_alert(book, self.organization_id, alert.kind, alert.subject, now)


class Known(NamedTuple):
    """What is usual for an agent, as it was learned for the day that `cut` stands for, and with these limits."""

    cut: int
    limits: Collection[Limit]
    usual: Usual


def look_at_agent(
    database: Database, organization_id: str, agent_id: str, zone: ZoneInfo, settings: PatternSettings, at: int,
    known: Known | None,
) -> tuple[tuple[Finding, ...], Known]:  # fmt: skip
    """What the rules say of an agent as of that time, and what is usual for it, learned anew once a day.

    Blocks: cold reads.
    """
    cut, limits = cut_of(at, zone), limits_of(database, organization_id, agent_id)
    if known is None or known.cut != cut or known.limits != limits:
        facts, whole = past_of(database, organization_id, agent_id, cut - PRICES_TAUGHT_BY, MAX_TAUGHT_BY)
        known = Known(cut, limits, learn(facts, cut, zone, limits, whole))
    lately, _ = past_of(database, organization_id, agent_id, at - WEEK, MAX_LATELY)
    look = Look(lately, known.usual, at, zone, limits, SENSITIVITIES[settings.sensitivity])
    return look_at(look, settings.on), known


def read_past(database: Database, organization_id: str, agent_id: str, since: int) -> Past:
    """All that the rules may look at of an agent when they are run over its past since then. Blocks: cold reads."""
    facts, whole = past_of(database, organization_id, agent_id, since - PRICES_TAUGHT_BY, MAX_TAUGHT_BY)
    return Past(facts, limits_of(database, organization_id, agent_id), whole)
