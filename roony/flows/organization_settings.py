"""What an owner may set of an organization, as it is kept, recorded and told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from roony.core.agent import Organization
from roony.core.anomaly.telling import PatternSettings, changed_settings, pattern_settings
from roony.core.audit import canonical
from roony.core.cardholder import fields_of
from roony.core.errors import Refusal
from roony.core.loosening import SETTING, wants_two
from roony.flows.cardholder_choice import with_cardholder


def settings_of(organization: Organization) -> dict[str, Any]:
    """What a record says of what an owner may change; of the cardholder only which fields it has."""
    return {
        "name": organization.name,
        "unknown_cards": organization.unknown_cards,
        "delivery": organization.delivery,
        "unbudgeted": bool(organization.unbudgeted),
        "cardholder": fields_of(cardholder_of(organization)),
        "low_balance_amount": low_balance_amount(organization),
        "patterns": pattern_settings(organization.settings).as_json(),
        SETTING: wants_two(organization.settings),
    }


def cardholder_of(organization: Organization) -> dict[str, Any] | None:
    """What the owner set of the cardholder in whose name cards are made; None when nothing is set."""
    given: dict[str, Any] | None = json.loads(organization.settings).get("cardholder")
    return given


def low_balance_amount(organization: Organization) -> int:
    """At how much Issuing balance, in minor units, or less its owner wants to be warned; 0 where nothing was set."""
    return int(json.loads(organization.settings).get("low_balance_amount") or 0)


def with_settings(
    settings: str, cardholder: Mapping[str, Any] | None, low_balance: int | None, patterns: PatternSettings | None,
    two_people: bool | None = None,
) -> str:  # fmt: skip
    """The settings with these in place of any before, whole; None leaves one as it is."""
    if low_balance is not None:
        settings = canonical({**json.loads(settings), "low_balance_amount": low_balance})
    if patterns is not None and patterns != pattern_settings(settings):
        settings = canonical({**json.loads(settings), "patterns": patterns.as_json()})
    if two_people is not None and two_people != wants_two(settings):
        settings = canonical({**json.loads(settings), SETTING: two_people})
    return settings if cardholder is None else with_cardholder(settings, cardholder)


def with_patterns(settings: str, given: Mapping[str, Any] | None) -> PatternSettings | Refusal | None:
    """What is set of unusual patterns once this was given; None when nothing was."""
    if given is None:
        return None
    after = changed_settings(pattern_settings(settings), given)
    if isinstance(after, PatternSettings):
        return after
    field, wrong = after
    return Refusal("invalid", wrong, 422, f"patterns.{field}")
