"""The rules over the recorded past of an agent: what people would have been told, had Roony looked all the while."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from roony.core.alert import Alert
from roony.core.anomaly.facts import Facts, Finding, cut_of
from roony.core.anomaly.rules import SENSITIVITIES, Look, look_at
from roony.core.anomaly.telling import OVER, RENEWED, PatternSettings, is_news, is_over, is_renewed
from roony.core.anomaly.usual import Limit, Usual, is_near, learn
from roony.core.duration import SECOND, WEEK

# How often an agent that does something is looked at.
PACE = 60 * SECOND
# An alert as far as the past needs one.
_NOBODYS = Alert("", "", "", "", "closed", "", 1, None, 0, 0, 0)


class Past(NamedTuple):
    """What an agent did, limits its amounts may lie just under, and whether the facts reach to its beginning."""

    facts: Facts
    limits: Collection[Limit]
    whole: bool


def would_have_told(past: Past, since: int, until: int, zone: ZoneInfo, settings: PatternSettings) -> Iterator[Finding]:
    """What would have been told between these times, in order; nobody closes an alert before it is over."""
    alerts: dict[str, Alert] = {}
    usual: Usual | None = None
    cut = 0
    near = {limit: tuple(ask for ask in past.facts.asks if is_near(ask, limit)) for limit in past.limits}
    for now in _looks(past.facts, since, until):
        if usual is None or cut != cut_of(now, zone):
            cut = cut_of(now, zone)
            usual = learn(past.facts, cut, zone, past.limits, past.whole)
        asked = [pattern for pattern in settings.on if not _is_settled(alerts.get(pattern), now)]
        lately = past.facts.between(now - WEEK, now)
        look = Look(lately, usual, now, zone, past.limits, SENSITIVITIES[settings.sensitivity], near)
        for finding in look_at(look, asked):
            alert = _over(alerts.get(finding.pattern), now)
            if is_news(alert, finding):
                alerts[finding.pattern] = _NOBODYS._replace(status="open", created_at=now, updated_at=now)
                yield finding
            elif alert is not None and is_renewed(alert, finding):
                alerts[finding.pattern] = alert._replace(updated_at=now)


def _is_settled(alert: Alert | None, now: int) -> bool:
    """Whether a finding of now would neither be told nor noted, so that its rule need not be asked."""
    if alert is None or is_over(alert, now):
        return False
    return alert.status == "open" and now < alert.updated_at + RENEWED


def _over(alert: Alert | None, now: int) -> Alert | None:
    """The alert, closed where nothing was seen for so long."""
    if alert is None or alert.status != "open" or not is_over(alert, now):
        return alert
    return alert._replace(status="closed", closed_at=alert.updated_at + OVER)


def _looks(facts: Facts, since: int, until: int) -> list[int]:
    """When it is looked: after each minute in which the agent did something."""
    ats = {one.at // PACE for kind in facts for one in kind if since < one.at <= until}
    return [min(until, (minute + 1) * PACE - 1) for minute in sorted(ats)]
