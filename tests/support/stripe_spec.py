"""Stripe's published shapes: strict checks of answers and parameters against an OpenAPI file given by the environment.

`STRIPE_OPENAPI_SPEC` names the file. The check is stricter than the file: a field it does not name is refused too.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

VARIABLE = "STRIPE_OPENAPI_SPEC"
_URI = "urn:stripe"
_METHODS = ("get", "post", "delete")

needs_spec = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"no Stripe OpenAPI file: set {VARIABLE} to its path to check conformance"
)


class Spec:
    """One OpenAPI file: its operations as "GET /v1/…", and what may be sent and answered."""

    def __init__(self, path: Path) -> None:
        self.document: dict[str, Any] = json.loads(path.read_text())
        self.operations: dict[str, dict[str, Any]] = {
            f"{method.upper()} {template}": operation
            for template, methods in self.document["paths"].items()
            for method, operation in methods.items()
            if method in _METHODS
        }
        schemas = {name: _strict(schema) for name, schema in self.document["components"]["schemas"].items()}
        resource = Resource.from_contents({"components": {"schemas": schemas}}, DRAFT202012)
        self._registry: Any = Registry().with_resource(_URI, resource)
        self._validators: dict[str, Any] = {}
        self._by_object = {
            values[0]: name
            for name, schema in schemas.items()
            if "deleted" not in schema.get("properties", {})
            and (values := schema.get("properties", {}).get("object", {}).get("enum"))
        }

    def find(self, method: str, url: str) -> str | None:
        """Return the operation an address belongs to; fixed steps win over placeholders."""
        steps = urlsplit(url).path.strip("/").split("/")
        found = [
            name
            for name in self.operations
            if name.startswith(f"{method.upper()} ") and _fits(name.partition(" ")[2].strip("/").split("/"), steps)
        ]
        return min(found, key=lambda name: name.count("{"), default=None)

    def complaints(self, operation: str, status: int, body: Any) -> list[str]:
        """Return what is wrong with an answer: empty if it is exactly as published."""
        answers = self.operations[operation]["responses"]
        answer = answers.get(str(status), answers["default"])
        schema = answer["content"]["application/json"]["schema"]
        return self._check(f"{operation} {status}", schema, body)

    def object_complaints(self, thing: dict[str, Any]) -> list[str]:
        """Return what is wrong with an object by its own `object` field, as inside an event."""
        name = self._by_object.get(thing.get("object", ""))
        if name is None:
            return [f"no published object is called {thing.get('object')!r}"]
        return self._check(name, {"$ref": f"#/components/schemas/{name}"}, thing)

    def parameters(self, operation: str) -> dict[str, Any]:
        """Return what may be sent, as one object schema: query and body together."""
        described = self.operations[operation]
        query = {one["name"]: one for one in described.get("parameters", ()) if one["in"] == "query"}
        content = described.get("requestBody", {}).get("content", {})
        schema = next((kind["schema"] for kind in content.values()), {})
        required = [*schema.get("required", ()), *(name for name, one in query.items() if one.get("required"))]
        properties = {**{name: one["schema"] for name, one in query.items()}, **schema.get("properties", {})}
        return {"type": "object", "properties": properties, "required": required}

    def _check(self, name: str, schema: Any, body: Any) -> list[str]:
        if name not in self._validators:
            rooted = json.loads(json.dumps(_strict(schema)).replace('"#/', f'"{_URI}#/'))
            self._validators[name] = jsonschema.Draft202012Validator(rooted, registry=self._registry)
        return [_told(error) for error in self._validators[name].iter_errors(body)]


@cache
def load_spec() -> Spec:
    """Return the file named by the environment, read once."""
    return Spec(Path(os.environ[VARIABLE]))


def _fits(template: list[str], steps: list[str]) -> bool:
    return len(template) == len(steps) and all(
        one == other or one.startswith("{") for one, other in zip(template, steps, strict=True)
    )


def _strict(schema: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema: `nullable` spelled out, fields that are not named refused."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    kept = {key: value for key, value in schema.items() if key in ("type", "enum", "required", "maxLength")}
    for key in ("anyOf", "oneOf", "items", "additionalProperties"):
        if key in schema:
            kept["anyOf" if key == "oneOf" else key] = _strict(schema[key])
    if "properties" in schema:
        kept["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
        kept.setdefault("additionalProperties", False)
    if kept.get("type") == "object" and "properties" not in schema:
        kept.setdefault("additionalProperties", True)
    return {"anyOf": [kept, {"type": "null"}]} if schema.get("nullable") else kept


def _told(error: jsonschema.ValidationError) -> str:
    """Return one complaint in a line: where, and the most telling reason among alternatives."""
    telling = jsonschema.exceptions.best_match([error]) or error
    place = "/".join(str(step) for step in telling.absolute_path)
    return f"{place or '(whole)'}: {telling.message[:300]}"
