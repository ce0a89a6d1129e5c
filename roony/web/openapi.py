"""The OpenAPI document: what routes declare, and what follows from them - errors, examples, summaries, tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.utils import create_model_field

from roony.web.references import NAMES
from roony.web.requests import KeyedRoute
from roony.web.shape import ERRORS, ErrorAnswer

Node = dict[str, Any]

ADMIN = "/api/v1/admin/"
JSON = "application/json"
ERROR = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}
TAGS = {
    "Agents": "What agents call with a key of their own: ask, follow, get the card, hand in the receipt, see the rules",
    "Organization": "Settings, projects, and the installation looked at",
    "Agents of the organization": "Agents, their keys, and the public keys their card details are sealed to",
    "Budgets and controls": "What an organization, a project, an agent or a task may spend, and how",
    "Approvals": "What waits for a person, and the yes or no",
    "Connections": "Stripe accounts that cards are made on",
    "Cardholders": "In whose name cards are made",
    "Purchases and cards": "Purchases of all agents, their cards, and what was paid with them",
    "Merchants": "Merchants that are known, by every name they are accepted by",
    "Discrepancies": "What does not fit what was approved",
    "Disputes": "Disputes of captures, as Stripe tells them",
    "Stripe events": "What Stripe told, and how far its handling is",
    "Reconciliations": "Comparing with what Stripe has",
    "Audit": "Everything that was changed, by whom, in a chain that shows a change of its own",
    "Reports": "What was spent, in groups, and each line of it for accounting",
    "Alerts": "What a person has to know and see to",
    "Freeze": "The kill switch",
    "Keys": "The keys that encrypt stored tokens",
    "Export": "Everything the organization has here, to be taken away",
    "Access keys": "All keys of the organization, and those of its programs",
    "Stream": "What happens, as it happens",
    "Users": "People, their roles and their keys",
    "Me": "Whoever calls, where they are signed in, and their passkeys",
    "Webhooks to the owner's systems": "Who is told what happens, and what became of each notice",
    "Messages to people": "Who reads what happens, and where",
    "Receipts": "Receipts that agents handed in",
}


_making = Lock()


def document(app: FastAPI) -> Node:
    """The document of an app, made once. Without servers: paths are relative to wherever it is served from.

    Takes a second the first time, and may be called by several threads.
    """
    with _making:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> Node:
    _build_models([route for route in app.routes if isinstance(route, KeyedRoute)])
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes,
        tags=[{"name": name, "description": words} for name, words in TAGS.items()],
    )  # fmt: skip
    schemas = made["components"]["schemas"]
    # What FastAPI would answer for a wrong field; ours have the shape of all errors.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, _method, operation in operations(made):
        operation["summary"] = operation["description"].split("\n")[0].split(". ")[0].rstrip(".")
        operation["responses"] = _answers(path, operation)
        for content in _contents(operation):
            if "example" not in content:
                content["example"] = example_of(_given(content["schema"]), schemas)
    return made


def _build_models(routes: Iterable[KeyedRoute]) -> None:
    """The models of their answers, each built once; FastAPI would build one for every status of every route."""
    built: dict[Any, Any] = {}
    for route in routes:
        models = {status: one["model"] for status, one in route.responses.items() if "model" in one}
        for model in models.values():
            if model not in built:
                built[model] = create_model_field(model.__name__, model, mode="serialization")
        route.response_fields = {status: built[model] for status, model in models.items()}


def operations(made: Node) -> Iterator[tuple[str, str, Node]]:
    """Every operation of a document as (path, method in lower case, operation)."""
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _answers(path: str, operation: Node) -> Node:
    """What was declared, and the errors that follow from the path, the query, the headers and the body."""
    body = operation.get("requestBody")
    sent = [one["in"] for one in operation.get("parameters", ())]
    statuses: set[int] = set()
    if body is not None:
        statuses |= {400, 415, 422}
    if "query" in sent or "header" in sent:
        statuses.add(422)
    named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"} & NAMES
    if "path" in sent or (named and path.startswith(ADMIN)):
        statuses.add(404)
    statuses |= {int(status) for status in operation["responses"] if status >= "4" and status != "422"}
    answers = {status: one for status, one in operation["responses"].items() if status < "4"}
    # An error is JSON, whatever the operation answers else.
    answers |= {str(status): {**ERRORS[status], "content": {JSON: {"schema": dict(ERROR)}}} for status in statuses}
    return dict(sorted(answers.items()))


def _contents(operation: Node) -> Iterator[Node]:
    """Everything that is sent or answered, with its schema."""
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for one in operation["responses"].values():
        yield from one.get("content", {}).values()


def _given(schema: Node) -> Node:
    """A body that can be left out, as it is where it is not."""
    return next((part for part in schema.get("anyOf", ()) if "$ref" in part), schema)


def example_of(schema: Node, schemas: Node) -> Any:
    """An example of a schema, from those of its parts.

    Where a value can be null it is, and what can be left out is, unless the field has an example of its own.
    """
    if "examples" in schema:
        return deepcopy(schema["examples"][0])
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for name in ("anyOf", "oneOf"):
        if name in schema:
            choices = schema[name]
            return None if {"type": "null"} in choices else example_of(choices[0], schemas)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if schema.get("format") == "binary":
        return "the bytes of the file"
    if kind == "object":
        required = schema.get("required", ())
        return {
            name: example_of(field, schemas)
            for name, field in schema.get("properties", {}).items()
            if name in required or "examples" in field
        }
    if kind == "array":
        return [example_of(schema["items"], schemas)]
    return {"boolean": True, "integer": 1, "number": 1}.get(str(kind), "text")
