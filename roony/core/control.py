"""Spending controls: what an owner may set on organization, project or agent, and the strictest of several."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from roony.core.categories import COUNTRIES, GROUPS
from roony.core.duration import local_time
from roony.core.merchant import category_code, category_name, mentions, normalise, trade
from roony.core.money import MAX_AMOUNT, portion


class Control(NamedTuple):
    """The stored controls of one scope. `fields` is a JSON object of what is set, as the owner wrote it."""

    organization_id: str
    id: str
    scope: str
    scope_id: str
    version: int
    fields: str
    updated_at: int


class ControlVersion(NamedTuple):
    """The controls of one scope as they were set once; `actor` is None where it was before versions were kept."""

    organization_id: str
    scope_id: str
    version: int
    scope: str
    fields: str
    actor: str | None
    at: int


class ActiveHours(NamedTuple):
    """When purchases may be made, on the clock of the organization's time zone.

    `days` are 0 (Monday) to 6; `start` and `end` are minutes after midnight, `end` exclusive. With `end`
    before `start` the hours run over midnight and belong to the day on which they begin.
    """

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls of one scope; None = not set. Amounts in minor units of the organization's card currency.

    Categories are 4-digit codes, countries upper-case ISO 3166-1 alpha-2. `velocity_*` count per agent and
    hour.
    """

    purchase_limit: int | None = None
    approval_threshold: int | None = None
    second_approval_threshold: int | None = None
    approval_expiry_seconds: int | None = None
    approve_new_merchants: bool | None = None
    approve_categories: frozenset[str] | None = None
    allowed_merchants: tuple[str, ...] | None = None
    blocked_merchants: tuple[str, ...] | None = None
    allowed_categories: frozenset[str] | None = None
    blocked_categories: frozenset[str] | None = None
    allowed_countries: frozenset[str] | None = None
    blocked_countries: frozenset[str] | None = None
    velocity_count: int | None = None
    velocity_amount: int | None = None
    active_hours: ActiveHours | None = None
    card_ttl_seconds: int | None = None
    tolerance_amount: int | None = None
    tolerance_percent: int | None = None
    merchant_lock: str | None = None
    foreign_currency: str | None = None
    delivery: str | None = None
    duplicate_window_seconds: int | None = None
    # Worked out once: the strictest of several is looked up by it again and again (`strictest`).
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(tuple(getattr(self, name) for name in FIELDS)))

    def __hash__(self) -> int:
        return self._hash


class InvalidControl(ValueError):
    """A control that cannot be set. `field` is its name, `message` a sentence for the person who set it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


FIELDS = tuple(each.name for each in fields(Controls) if each.compare)
EMPTY = Controls()
MAX_ENTRIES = 500
MAX_NAME_LENGTH = 200
MIN_CARD_TTL_SECONDS, MAX_CARD_TTL_SECONDS = 60, 30 * 86_400
MAX_DUPLICATE_WINDOW_SECONDS = 30 * 86_400
# A hold waits as long as the people do.
MIN_APPROVAL_SECONDS, MAX_APPROVAL_SECONDS = 60, 7 * 86_400
MAX_VELOCITY_COUNT = 1_000_000
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Those of several scopes cannot be written as one.
MERGED_APART = ("allowed_merchants", "active_hours")
# Each from the strictest to the loosest.
MERCHANT_LOCKS = ("strict", "monitor")
FOREIGN_CURRENCIES = ("decline", "allow")
DELIVERIES = ("sealed", "reveal", "raw")


def parse_controls(given: Mapping[str, Any]) -> Controls:
    """Controls from JSON as an owner writes it; a null counts as not set. Raises `InvalidControl`.

    Categories are Stripe names, 4-digit codes or ready groups. An empty allow list is refused: it would block
    everything, which nobody means by it (`purchase_limit` 0 says that).
    """
    for name in given:
        if name not in _READERS:
            raise InvalidControl(str(name), "There is no control of this name.")
    return Controls(**{name: _READERS[name](name, value) for name, value in given.items() if value is not None})


@lru_cache(maxsize=4096)
def controls_of(row: Control) -> Controls:
    """The controls of a stored row."""
    return parse_controls(json.loads(row.fields))


def dump(controls: Controls) -> dict[str, Any]:
    """What is set, as values JSON can carry: sorted lists, categories by Stripe's names, hours as HH:MM."""
    result: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(controls, name)
        if value is None:
            continue
        if isinstance(value, ActiveHours):
            days = [DAY_NAMES[day] for day in sorted(value.days)]
            value = {"days": days, "from": clock(value.start), "to": clock(value.end)}
        elif isinstance(value, frozenset):
            value = sorted(category_name(code) or code if "categories" in name else code for code in value)
        elif isinstance(value, tuple):
            value = list(value)
        result[name] = value
    return result


def strictest(scoped: Sequence[Controls]) -> Controls:
    """One set of controls that allows nothing that any of `scoped` forbids, with two exceptions.

    `allowed_merchants` and `active_hours` of several scopes cannot be written as one; they are None here and
    `decide()` checks them scope by scope.
    """
    return _merged(tuple(scoped))


@lru_cache(maxsize=4096)
def _merged(scoped: tuple[Controls, ...]) -> Controls:
    def every(name: str) -> list[Any]:
        return [value for controls in scoped if (value := getattr(controls, name)) is not None]

    return Controls(**{name: merge(values) for name, merge in _MERGES.items() if (values := every(name))})


def hold_amount(amount: int, controls: Controls) -> int:
    """Amount plus tolerance, in minor units (design section 4).

    The tolerance is the smaller of the absolute and the percent control, a missing one not counting; none set
    gives 0.
    """
    tolerances = []
    if controls.tolerance_amount is not None:
        tolerances.append(controls.tolerance_amount)
    if controls.tolerance_percent is not None:
        tolerances.append(portion(amount, controls.tolerance_percent))
    return amount + min(tolerances, default=0)


def category_passes(controls: Controls, code: str | None) -> bool:
    """True if the category lists let this 4-digit code through.

    A missing code fails an allow list and passes a block list. One airline's, car rental's or hotel's own
    code counts as that of its trade.
    """
    return _passes(controls.allowed_categories, controls.blocked_categories, trade(code) if code else None)


def country_passes(controls: Controls, country: str | None) -> bool:
    """True if the country lists let this country through; a missing one fails an allow list only."""
    fact = country.upper() if country else None
    return _passes(controls.allowed_countries, controls.blocked_countries, fact)


def blocked_merchant(controls: Controls, *texts: str | None) -> str | None:
    """The entry of the block list that one of these texts (name, web address) mentions, or None."""
    for entry in controls.blocked_merchants or ():
        if any(text and mentions(entry, text) for text in texts):
            return entry
    return None


def is_active(hours: ActiveHours, time_zone: str, now: int) -> bool:
    """True if the clock of `time_zone` shows an active hour at `now` (microseconds UTC)."""
    local = local_time(now, ZoneInfo(time_zone))
    minute, today = local.hour * 60 + local.minute, local.weekday()
    if hours.start < hours.end:
        return today in hours.days and hours.start <= minute < hours.end
    began_today = today in hours.days and minute >= hours.start
    began_yesterday = (today - 1) % 7 in hours.days and minute < hours.end
    return began_today or began_yesterday


def clock(minutes: int) -> str:
    """Minutes after midnight as HH:MM."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _passes(allowed: frozenset[str] | None, blocked: frozenset[str] | None, fact: str | None) -> bool:
    if allowed is not None and fact not in allowed:
        return False
    return not blocked or fact not in blocked


def _intersection(values: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset.intersection(*values)


def _union(values: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*values)


def _joined(values: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in values for name in names))


def _first_of(order: tuple[str, ...]) -> Callable[[Iterable[str]], str]:
    return lambda values: min(values, key=order.index)


_MERGES: dict[str, Callable[[list[Any]], Any]] = {
    "purchase_limit": min,
    "approval_threshold": min,
    "second_approval_threshold": min,
    "approval_expiry_seconds": min,
    "approve_new_merchants": any,
    "approve_categories": _union,
    "blocked_merchants": _joined,
    "allowed_categories": _intersection,
    "blocked_categories": _union,
    "allowed_countries": _intersection,
    "blocked_countries": _union,
    "velocity_count": min,
    "velocity_amount": min,
    "card_ttl_seconds": min,
    "tolerance_amount": min,
    "tolerance_percent": min,
    "merchant_lock": _first_of(MERCHANT_LOCKS),
    "foreign_currency": _first_of(FOREIGN_CURRENCIES),
    "delivery": _first_of(DELIVERIES),
    "duplicate_window_seconds": max,
}


def _whole_number(least: int, most: int, unit: str) -> Callable[[str, Any], int]:
    def read(field: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidControl(field, f"It must be a whole number of {unit} from {least} to {most}.")
        return value

    return read


def _one_of(words: tuple[str, ...]) -> Callable[[str, Any], str]:
    def read(field: str, value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise InvalidControl(field, f"It must be one of: {', '.join(words)}.")
        return value

    return read


def _yes_or_no(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidControl(field, "It must be true or false.")
    return value


def _texts(field: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MAX_ENTRIES:
        raise InvalidControl(field, f"It must be a list of at most {MAX_ENTRIES} entries.")
    if not value and field.startswith("allowed_"):
        raise InvalidControl(field, "An empty list would allow nothing. Leave it out to allow everything.")
    for entry in value:
        if not isinstance(entry, str) or not entry.strip() or len(entry) > MAX_NAME_LENGTH:
            raise InvalidControl(field, f"Each entry must be a text of 1 to {MAX_NAME_LENGTH} characters.")
    return list(value)


def _merchants(field: str, value: Any) -> tuple[str, ...]:
    names = _texts(field, value)
    for name in names:
        if not any(character.isalnum() for character in normalise(name)):
            raise InvalidControl(field, f"{name!r} has no letter or digit to recognise a merchant by.")
    return tuple(names)


def _categories(field: str, value: Any) -> frozenset[str]:
    codes: set[str] = set()
    for entry in _texts(field, value):
        code = category_code(entry)
        if entry in GROUPS:
            codes |= GROUPS[entry]
        elif code is not None and category_name(code) is not None:
            codes.add(code)
        else:
            groups = ", ".join(GROUPS)
            raise InvalidControl(field, f"{entry!r} is no Stripe category, 4-digit code of one, or group ({groups}).")
    return frozenset(codes)


def _countries(field: str, value: Any) -> frozenset[str]:
    countries = frozenset(entry.upper() for entry in _texts(field, value))
    unknown = sorted(countries - COUNTRIES)
    if unknown:
        raise InvalidControl(field, f"{unknown[0]!r} is not a two-letter country code (ISO 3166-1).")
    return countries


def _active_hours(field: str, value: Any) -> ActiveHours:
    if not isinstance(value, Mapping) or not {"from", "to"} <= set(value) <= {"days", "from", "to"}:
        raise InvalidControl(field, 'It must look like {"days": ["mon", "tue"], "from": "09:00", "to": "17:30"}.')
    days = value.get("days", DAY_NAMES)
    if not isinstance(days, list | tuple) or not days or any(day not in DAY_NAMES for day in days):
        raise InvalidControl(field, f"`days` must be a list of: {', '.join(DAY_NAMES)}.")
    start, end = _minutes(field, value["from"]), _minutes(field, value["to"])
    if start in {end, 24 * 60}:
        raise InvalidControl(field, "`from` and `to` must differ; 00:00 to 24:00 is the whole day.")
    return ActiveHours(frozenset(DAY_NAMES.index(day) for day in days), start, end)


def _minutes(field: str, value: Any) -> int:
    """Minutes after midnight from "HH:MM" or from a whole number of them; 24:00 is the end of the day."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{2}:[0-5][0-9]", value):
        value = int(value[:2]) * 60 + int(value[3:])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 24 * 60:
        raise InvalidControl(field, "`from` and `to` must be times from 00:00 to 24:00.")
    return value


_amount = _whole_number(0, MAX_AMOUNT, "minor units")
_READERS: dict[str, Callable[[str, Any], Any]] = {
    "purchase_limit": _amount,
    "approval_threshold": _amount,
    "second_approval_threshold": _amount,
    "approval_expiry_seconds": _whole_number(MIN_APPROVAL_SECONDS, MAX_APPROVAL_SECONDS, "seconds"),
    "approve_new_merchants": _yes_or_no,
    "approve_categories": _categories,
    "allowed_merchants": _merchants,
    "blocked_merchants": _merchants,
    "allowed_categories": _categories,
    "blocked_categories": _categories,
    "allowed_countries": _countries,
    "blocked_countries": _countries,
    "velocity_count": _whole_number(0, MAX_VELOCITY_COUNT, "purchases an hour"),
    "velocity_amount": _amount,
    "active_hours": _active_hours,
    "card_ttl_seconds": _whole_number(MIN_CARD_TTL_SECONDS, MAX_CARD_TTL_SECONDS, "seconds"),
    "tolerance_amount": _amount,
    "tolerance_percent": _whole_number(0, 100, "percent"),
    "merchant_lock": _one_of(MERCHANT_LOCKS),
    "foreign_currency": _one_of(FOREIGN_CURRENCIES),
    "delivery": _one_of(DELIVERIES),
    "duplicate_window_seconds": _whole_number(0, MAX_DUPLICATE_WINDOW_SECONDS, "seconds"),
}
# Those in minor units.
AMOUNTS = frozenset(name for name, read in _READERS.items() if read is _amount)
