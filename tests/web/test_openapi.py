"""The OpenAPI document: every operation says what it takes and gives, with examples that are true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from roony.web.openapi import operations as all_operations
from tests.support.serving import Caller, ServedRoony, serve
from tests.web.test_walls import ADMIN, API, METHODS, Town, settle

JSON = "application/json"
# What any call behind a key can be answered with.
ERROR = {"$ref": "#/components/schemas/ErrorAnswer"}
ALWAYS = {"401", "403", "413", "429", "503"}
# These ask Stripe, which is not there.
AT_STRIPE = ("/test_purchase", "/setup_webhooks", "/approve", "/purchase_intents/{id}/card")


class Operation(NamedTuple):
    """One method of one path, as the document has it."""

    path: str
    method: str
    told: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def sent(self) -> dict[str, Any]:
        """What it takes, by media type."""
        content: dict[str, Any] = self.told.get("requestBody", {}).get("content", {})
        return content

    @property
    def places(self) -> set[str]:
        """Where its parameters are."""
        return {one["in"] for one in self.told.get("parameters", ())}


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with serve(tmp_path_factory.mktemp("openapi")) as served:
        yield served


@pytest.fixture(scope="module")
def document(roony: ServedRoony) -> dict[str, Any]:
    made: dict[str, Any] = roony.caller().get("/openapi.json")
    return made


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    found = [Operation(*one) for one in all_operations(document)]
    assert len(found) > 100
    return found


def test_every_operation_says_what_it_is(document: dict[str, Any], operations: list[Operation]) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    ids = [one.told["operationId"] for one in operations]
    assert len(set(ids)) == len(ids)
    wrong = []
    for one in operations:
        key = "AdminKey" if one.path.startswith(f"{ADMIN}/") else "AgentKey"
        if not (one.told["summary"] and one.told["description"]) or len(one.told["summary"]) > 120:
            wrong.append(f"{one.name}: its summary is missing or no line")
        if not set(one.told["tags"]) <= described:
            wrong.append(f"{one.name}: {one.told['tags']} is not described in roony/web/openapi.py")
        if one.told["security"] != [{key: []}]:
            wrong.append(f"{one.name}: its key is not named")
    assert not wrong, "\n".join(wrong)
    assert {tag for one in operations for tag in one.told["tags"]} == described


def test_every_operation_declares_its_answers(operations: list[Operation]) -> None:
    """Each with its shape, and those errors that it can have by its form; 409 and others its route declares."""
    wrong = []
    for one in operations:
        answers = one.told["responses"]
        expected = set(ALWAYS)
        expected |= {"400", "415", "422"} if one.sent else set()
        expected |= {"422"} if one.places & {"query", "header"} else set()
        expected |= {"404"} if "path" in one.places else set()
        if not any(status.startswith("2") for status in answers) or not expected <= set(answers):
            wrong.append(f"{one.name}: declares {sorted(answers)}")
        if answers.keys() & {"400", "415", "422"} - expected:
            wrong.append(f"{one.name}: has nothing that could be wrong, and declares {sorted(answers)}")
        for status, answer in answers.items():
            schemas = [content.get("schema") for content in answer.get("content", {}).values()]
            if not schemas or not all(schemas):
                wrong.append(f"{one.name} {status}: has no shape")
            if status >= "4" and answer["content"].get(JSON, {}).get("schema") != ERROR:
                wrong.append(f"{one.name} {status}: is no error as all are")
    assert not wrong, "\n".join(wrong)


def test_every_body_and_every_answer_has_an_example_that_fits_it(
    document: dict[str, Any], operations: list[Operation]
) -> None:
    wrong = []
    for one in operations:
        contents = [("body", kind, content) for kind, content in one.sent.items()]
        for status, answer in one.told["responses"].items():
            contents += [(status, kind, content) for kind, content in answer["content"].items()]
        for where, kind, content in contents:
            example = content.get("example")
            if example in (None, "", []):
                wrong.append(f"{one.name} {where} {kind}: has no example")
            elif kind == JSON:
                wrong += [f"{one.name} {where}: {text}" for text in misfits(example, content["schema"], document)]
    assert not wrong, "\n".join(wrong)


def misfits(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """What of a value does not fit a schema of the document."""
    whole = {**schema, "components": document["components"]}
    found = Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(value)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


@pytest.fixture(scope="module")
def town(roony: ServedRoony) -> Town:
    return settle(roony, "Example")


def test_the_examples_of_bodies_are_taken(roony: ServedRoony, town: Town, operations: list[Operation]) -> None:
    """Each is sent as it stands: it is done, or refused for what is or is not there, never for what it says."""
    wrong = []
    for one in operations:
        if JSON not in one.sent or one.path.endswith(AT_STRIPE):
            continue
        answer = caller_of(town, one).call(
            one.method.upper(), one.path.format(**ids_of(town, one.path)), one.sent[JSON]["example"]
        )
        if answer.status_code not in {200, 201, 202, 404, 409}:
            wrong.append(f"{one.name}: {answer.text}")
    assert not wrong, "\n".join(wrong)


def caller_of(town: Town, one: Operation) -> Caller:
    return town.company.owner if one.path.startswith(f"{ADMIN}/") else town.agent


def ids_of(town: Town, path: str) -> dict[str, str]:
    """The town's own id for each parameter of a path, by what stands before it."""
    ids = town.ids if path.startswith(f"{ADMIN}/") else town.mine
    collections: list[str] = []
    found = {}
    for part in path.removeprefix(ADMIN).removeprefix(API).strip("/").split("/"):
        if part.startswith("{"):
            found[part[1:-1]] = ids["/".join(collections)][0]
        else:
            collections.append(part)
    return found


def test_other_methods_are_refused(town: Town, document: dict[str, Any]) -> None:
    wrong = []
    for path, methods in document["paths"].items():
        caller = town.company.owner if path.startswith(f"{ADMIN}/") else town.agent
        filled = path.format(**ids_of(town, path))
        for method in sorted({*METHODS, "TRACE"} - {name.upper() for name in methods}):
            answer = caller.call(method, filled)
            # 404: `GET …/replay` asks for the event of this id.
            if answer.status_code not in {404, 405}:
                wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
    assert not wrong, "\n".join(wrong)


def test_the_document_is_the_same_for_everybody(
    roony: ServedRoony, document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Made again by another app it is the same text, names no server, and needs no key."""
    with serve(tmp_path_factory.mktemp("another")) as another:
        text = another.caller().call("GET", "/openapi.json").text
    assert text == roony.caller().call("GET", "/openapi.json").text
    assert "servers" not in document
    assert document["openapi"].startswith("3.1")
    assert not re.search(r"HTTPValidationError", json.dumps(document))
    assert set(document["components"]["securitySchemes"]) == {"AgentKey", "AdminKey"}
