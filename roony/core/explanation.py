"""What applies to an agent after all levels are merged, and which of them said it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from roony.core.agent import Organization
from roony.core.card import DEFAULT_LIFETIME_SECONDS
from roony.core.control import DELIVERIES, FIELDS, MERGED_APART, Controls, strictest
from roony.core.decision import DEFAULT_DUPLICATE_WINDOW_SECONDS

# What holds where no level says anything; the delivery is then what the organization's settings allow.
DEFAULTS = Controls(
    card_ttl_seconds=DEFAULT_LIFETIME_SECONDS,
    merchant_lock="strict",
    foreign_currency="decline",
    duplicate_window_seconds=DEFAULT_DUPLICATE_WINDOW_SECONDS,
)


class Level(NamedTuple):
    """The controls of one scope of a chain."""

    scope: str
    scope_id: str
    controls: Controls


class Binding(NamedTuple):
    """One control as it applies: `controls` has this one alone; nobody set it where it is Roony's default."""

    name: str
    controls: Controls
    set_by: tuple[Level, ...]


def explain(levels: Sequence[Level], organization: Organization) -> list[Binding]:
    """Every control that applies, in the order of their names in `FIELDS`, with the levels it comes from.

    Merchants and hours that several levels allow are listed level by level: a purchase must pass each of them.
    """
    merged = strictest([level.controls for level in levels])
    found = []
    for name in FIELDS:
        said = tuple(level for level in levels if getattr(level.controls, name) is not None)
        if name in MERGED_APART:
            found += [_binding(name, getattr(level.controls, name), (level,)) for level in said]
        elif name == "delivery":
            found.append(_delivery(merged.delivery, said, organization))
        elif said:
            value = getattr(merged, name)
            alike = tuple(level for level in said if getattr(level.controls, name) == value)
            found.append(_binding(name, value, alike or said))
        elif getattr(DEFAULTS, name) is not None:
            found.append(_binding(name, getattr(DEFAULTS, name), ()))
    return found


def _delivery(merged: str | None, said: tuple[Level, ...], organization: Organization) -> Binding:
    """The organization's setting is one more level; the strictest counts."""
    setting = Level("organization", organization.id, Controls(delivery=organization.delivery))
    value = min(merged or organization.delivery, organization.delivery, key=DELIVERIES.index)
    return _binding(
        "delivery", value, tuple(dict.fromkeys(x for x in (*said, setting) if x.controls.delivery == value))
    )


def _binding(name: str, value: object, set_by: tuple[Level, ...]) -> Binding:
    return Binding(name, Controls(**{name: value}), set_by)  # type: ignore[arg-type]
