"""What an operation accepts: typed fields that read a form tree or refuse it as Stripe does (facts 7.2, 7.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roony.simulator.refusals import invalid, missing, unknown_parameter

_INTEGER = re.compile(r"-?[0-9]{1,15}")
_METADATA_KEYS, _METADATA_KEY, _METADATA_VALUE = 50, 40, 500
_UNKNOWN_TOLD = 20  # names of unknown parameters in one message
_RANGE_ENDS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One parameter. `clearable` ones may be unset with an empty string and then read as None."""

    required: bool = False
    clearable: bool = False

    def read(self, value: Any, name: str) -> Any:
        """Return the typed value, or refuse it."""
        if value == "":
            if self.clearable:
                return None
            raise invalid(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a "
                f"parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or "
                "supply a non-empty value.",
                name,
                "parameter_invalid_empty",
            )
        return self.typed(value, name)

    def typed(self, value: Any, name: str) -> Any:
        """Return the typed value of something that is not empty."""
        raise NotImplementedError(f"{type(self).__name__} cannot read {name}: {value!r}")


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    """A string, perhaps one of a few."""

    longest: int = 5000
    choices: tuple[str, ...] = ()

    def typed(self, value: Any, name: str) -> str:
        """Check length and choice."""
        if not isinstance(value, str):
            raise invalid(f"Invalid string: {name}", name)
        if self.choices and value not in self.choices:
            raise invalid(f"Invalid {name}: must be one of {_listed(self.choices)}", name)
        if len(value) > self.longest:
            raise invalid(f"Invalid string: {name} must be at most {self.longest} characters", name)
        return value


@dataclass(frozen=True, kw_only=True)
class Integer(Field):
    """A whole number; amounts are in minor units."""

    least: int | None = None
    most: int | None = None

    def typed(self, value: Any, name: str) -> int:
        """Check shape and bounds."""
        if not isinstance(value, str) or not _INTEGER.fullmatch(value):
            told = value[:40] if isinstance(value, str) else "a hash or an array"
            raise invalid(f"Invalid integer: {told}", name, "parameter_invalid_integer")
        number = int(value)
        if self.least is not None and number < self.least:
            raise invalid(
                f"This value must be greater than or equal to {self.least}.", name, "parameter_invalid_integer"
            )
        if self.most is not None and number > self.most:
            raise invalid(f"This value must be less than or equal to {self.most}.", name, "parameter_invalid_integer")
        return number


@dataclass(frozen=True, kw_only=True)
class Boolean(Field):
    """true or false."""

    def typed(self, value: Any, name: str) -> bool:
        """Check the spelling."""
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean: {value[:40] if isinstance(value, str) else 'a hash or an array'}", name)
        return bool(value == "true")


@dataclass(frozen=True, kw_only=True)
class ListOf(Field):
    """An array in either spelling, `a[0]` or `a[]`; an empty string clears it (facts 1.4)."""

    item: Field
    clearable: bool = True
    longest: int = 1000

    def typed(self, value: Any, name: str) -> list[Any]:
        """Read each element in the order of its position."""
        if not isinstance(value, dict) or not all(key.isdecimal() and len(key) < 7 for key in value):
            raise invalid(f"Invalid array: {name}", name)
        if len(value) > self.longest:
            raise invalid(f"Invalid array: {name} can have at most {self.longest} elements", name)
        for place in range(len(value)):
            if str(place) not in value:
                raise invalid(
                    f"Invalid array: {name}. The positions of an array must be numbers in sequence from 0; "
                    f"there is no position {place}.",
                    name,
                )
        return [self.item.read(value[str(place)], f"{name}[{place}]") for place in range(len(value))]


@dataclass(frozen=True, kw_only=True)
class Group(Field):
    """A hash with known keys."""

    fields: Mapping[str, Field]

    def typed(self, value: Any, name: str) -> dict[str, Any]:
        """Read the keys; unknown ones and missing ones are refused."""
        if not isinstance(value, dict):
            raise invalid(f"Invalid object: {name}", name)
        return read_fields(value, self.fields, name)


@dataclass(frozen=True, kw_only=True)
class Metadata(Field):
    """String keys and values; an empty value unsets its key, an empty string unsets all (facts 7.4)."""

    clearable: bool = True

    def typed(self, value: Any, name: str) -> dict[str, str]:
        """Check the limits on number and length."""
        if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
            raise invalid("Invalid metadata: must be a hash of strings", name)
        if len(value) > _METADATA_KEYS:
            raise invalid(f"Metadata can have at most {_METADATA_KEYS} keys", name)
        for key, entry in value.items():
            if len(key) > _METADATA_KEY or len(entry) > _METADATA_VALUE:
                raise invalid(
                    f"Metadata keys can be up to {_METADATA_KEY} characters and values up to {_METADATA_VALUE}",
                    f"{name}[{key[:_METADATA_KEY]}]",
                )
        return dict(value)


@dataclass(frozen=True, kw_only=True)
class Range(Field):
    """A point in time, or bounds for one."""

    def typed(self, value: Any, name: str) -> dict[str, int]:
        """Return bounds; an exact value is two bounds."""
        if isinstance(value, dict):
            return read_fields(value, {end: Integer() for end in _RANGE_ENDS}, name)
        exact = Integer().typed(value, name)
        return {"gte": exact, "lte": exact}


def read_fields(tree: Mapping[str, Any], fields: Mapping[str, Field], within: str = "") -> dict[str, Any]:
    """Return the typed values of what was sent; refuse unknown, wrong and missing parameters."""
    unknown = [(f"{within}[{key}]" if within else key)[:200] for key in tree if key not in fields]
    if unknown:
        raise unknown_parameter(*unknown[:_UNKNOWN_TOLD])
    read: dict[str, Any] = {}
    for key, value in tree.items():
        read[key] = fields[key].read(value, f"{within}[{key}]" if within else key)
    for key, field in fields.items():
        if field.required and key not in read:
            raise missing(f"{within}[{key}]" if within else key)
    return read


def _listed(choices: tuple[str, ...]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
