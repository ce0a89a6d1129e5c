"""When a finding is told to people and in which words, and what an organization may set of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from roony.core.alert import Alert
from roony.core.anomaly.facts import PATTERNS, Finding
from roony.core.anomaly.rules import SENSITIVITIES
from roony.core.duration import DAY, WEEK, local_time

KIND = "unusual_"
# What may stop an agent by itself. A price is looked at by a person first.
MAY_FREEZE = tuple(pattern for pattern in PATTERNS if pattern != "price_drift")
# An alert is not opened again sooner than this after it was opened, and closes by itself when nothing was seen so long.
PERIOD, OVER = WEEK, WEEK
# How often it is noted that an open alert's pattern is still seen.
RENEWED = DAY

_ADVICE = {
    "card_testing": "Card numbers may be tried out. Freeze the agent if you do not know its purchases.",
    "many_declines": "Look at the reasons: wrong rules, a loop, or somebody who tries what is allowed.",
    "burst": "Look at its newest purchases. Freeze the agent if nobody asked for them.",
    "under_threshold": "A larger sum may have been split so that nobody is asked. Look at what was bought.",
    "new_country": "Look at who was paid there. Allowed countries can be set in the controls.",
    "off_hours": "Somebody else may use its key. Ask who started it. Active hours can be set in the controls.",
    "new_merchants": "Look at who they are. Allowed merchants can be set in the controls.",
    "repeated_text": "The agent may be in a loop, or follow words that somebody slipped to it.",
    "price_drift": "Ask the merchant why before it is paid again.",
}  # fmt: skip
FROZEN = " Roony froze the agent."


class PatternSettings(NamedTuple):
    """What an organization set: patterns that are not looked for, how easily the others speak, which freeze."""

    off: tuple[str, ...] = ()
    sensitivity: str = "normal"
    freeze: tuple[str, ...] = ()

    @property
    def on(self) -> tuple[str, ...]:
        """The patterns that are looked for."""
        return tuple(pattern for pattern in PATTERNS if pattern not in self.off)

    def freezes(self, pattern: str) -> bool:
        """Whether an alert of this pattern freezes the agent."""
        return pattern in self.freeze and pattern not in self.off

    def as_json(self) -> dict[str, Any]:
        """As it is kept, told and recorded."""
        return {"off": list(self.off), "sensitivity": self.sensitivity, "freeze": list(self.freeze)}


def pattern_settings(settings: str) -> PatternSettings:
    """What the JSON of an organization's settings says; what was not set is as it is by itself."""
    given: Mapping[str, Any] = json.loads(settings).get("patterns") or {}
    return PatternSettings(
        tuple(given.get("off", ())), given.get("sensitivity", "normal"), tuple(given.get("freeze", ()))
    )


def changed_settings(before: PatternSettings, given: Mapping[str, Any]) -> PatternSettings | tuple[str, str]:
    """The settings with what was given in place of what was set; else the wrong field and what is wrong."""
    after = PatternSettings(
        _in_order(given.get("off", before.off)), given.get("sensitivity", before.sensitivity),
        _in_order(given.get("freeze", before.freeze)),
    )  # fmt: skip
    if after.sensitivity not in SENSITIVITIES:
        return "sensitivity", f"It must be one of: {', '.join(SENSITIVITIES)}."
    if unknown := _unknown(after.off, PATTERNS):
        return "off", unknown
    if unknown := _unknown(after.freeze, MAY_FREEZE):
        return "freeze", unknown
    return after


def _in_order(names: Collection[str]) -> tuple[str, ...]:
    known = [name for name in PATTERNS if name in names]
    return (*known, *sorted(set(names) - set(known)))


def _unknown(names: Collection[str], allowed: Collection[str]) -> str:
    wrong = [name for name in names if name not in allowed]
    return f"{wrong[0]!r} is none of: {', '.join(allowed)}." if wrong else ""


def is_news(alert: Alert | None, finding: Finding) -> bool:
    """Whether an alert is opened for it: none is open, and what was seen began after the last one was closed.

    Never twice in a `PERIOD`.
    """
    if alert is None:
        return True
    return alert.status != "open" and finding.since > (alert.closed_at or 0) and finding.at >= alert.created_at + PERIOD


def is_renewed(alert: Alert | None, finding: Finding) -> bool:
    """Whether it is noted that what was told is still seen, which keeps the alert open; its words stay."""
    return alert is not None and alert.status == "open" and finding.at >= alert.updated_at + RENEWED


def is_over(alert: Alert, now: int) -> bool:
    """Whether nothing was seen for so long that an open alert closes by itself."""
    return alert.updated_at + OVER <= now


def message(finding: Finding, zone: ZoneInfo, frozen: bool = False) -> str:
    """What was seen, since when, what is usual and what to do."""
    moment = local_time(finding.since, zone)
    since = f"{moment:%Y-%m-%d} at {moment:%H.%M} ({zone.key})"
    what = f"{finding.what}, since {since}. Usual: {finding.usually}. {_ADVICE[finding.pattern]}"
    return what + (FROZEN if frozen else "")
