"""What each operation of the simulator accepts is what Stripe publishes: names, kinds, choices, what must be there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from roony.simulator import stripe_api
from roony.simulator.stripe_api.operations import Operation
from roony.simulator.stripe_api.parameters import Boolean, Field, Group, Integer, ListOf, Metadata, Range, Text
from tests.support.stripe_spec import load_spec, needs_spec

KINDS: dict[str, type[Field]] = {"string": Text, "integer": Integer, "boolean": Boolean, "number": Text}
BOUNDS = {"gt", "gte", "lt", "lte"}
# Operations of Stripe's that the published file lacks; they are checked by the tests of their resource alone.
NOT_PUBLISHED = (
    "GET /v1/balance_transactions",
    "GET /v1/balance_transactions/{transaction}",
)


def differences(field: Field, schema: dict[str, Any], where: str) -> Iterator[str]:
    """Yield how a field differs from its published schema."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("enum") != [""]]
    if isinstance(field, Range):
        if not any(option.get("properties", {}).keys() == BOUNDS for option in options):
            yield f"{where}: a range here, not published as one"
    elif len(options) > 1:
        yield from _any_of(field, options, where)
    else:
        yield from _one(field, options[0], where)


def _any_of(field: Field, options: list[dict[str, Any]], where: str) -> Iterator[str]:
    told = [list(differences(field, option, where)) for option in options]
    if all(told):
        yield f"{where}: fits none of {len(options)} published shapes: {min(told, key=len)[:3]}"


def _one(field: Field, schema: dict[str, Any], where: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind == "array":
        if isinstance(field, ListOf):
            yield from differences(field.item, schema["items"], f"{where}[]")
        else:
            yield f"{where}: published as an array"
    elif kind == "object" and "properties" in schema:
        if isinstance(field, Group):
            yield from group_differences(field.fields, schema, where)
        else:
            yield f"{where}: published as an object with {sorted(schema['properties'])}"
    elif kind == "object":
        if not isinstance(field, Metadata):
            yield f"{where}: published as a map"
    elif not isinstance(field, KINDS[str(kind)]):
        yield f"{where}: published as {kind}, here {type(field).__name__}"
    elif isinstance(field, Text) and schema.get("enum"):
        yield from _choices(field, set(schema["enum"]), where)
    elif isinstance(field, Text) and field.choices and not schema.get("enum"):
        yield f"{where}: published without choices"


def _choices(field: Text, published: set[str], where: str) -> Iterator[str]:
    if set(field.choices) != published - {""}:
        yield f"{where}: choices differ by {sorted(set(field.choices) ^ (published - {''}))[:5]}"
    if "" in published and not field.clearable:
        yield f"{where}: can be unset with an empty string"


def group_differences(fields: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
    """Yield how known fields differ from the published ones."""
    published = schema.get("properties", {})
    yield from (f"{where}[{name}]: published, not here" for name in published.keys() - fields.keys())
    yield from (f"{where}[{name}]: here, not published" for name in fields.keys() - published.keys())
    for name in published.keys() & fields.keys():
        required = name in schema.get("required", ())
        if fields[name].required != required:
            yield f"{where}[{name}]: published as {'required' if required else 'optional'}"
        yield from differences(fields[name], published[name], f"{where}[{name}]")


def shape(name: str) -> str:
    """Return an operation's name with every placeholder spelled alike."""
    return re.sub(r"\{[^}]*\}", "{}", name)


HERE: dict[str, Operation] = {shape(f"{one.method} {one.path}"): one for one in stripe_api.OPERATIONS}


@needs_spec
def test_every_published_operation_is_served_and_no_other() -> None:
    published = {shape(name) for name in load_spec().operations}
    assert not published - HERE.keys()
    assert HERE.keys() - published == {shape(name) for name in NOT_PUBLISHED}


@needs_spec
@pytest.mark.parametrize("name", sorted(HERE))
def test_parameters_are_the_published_ones(name: str) -> None:
    published = next((one for one in load_spec().operations if shape(one) == name), None)
    if published is None:
        pytest.skip("Stripe's operation, but not in the published file")
    schema = load_spec().parameters(published)
    accepted = HERE[name].accepted()
    if "expand" not in schema["properties"]:
        accepted.pop("expand", None)
    assert list(group_differences(accepted, schema, "")) == []
