"""What of a request, as it went over the wire, does not fit the OpenAPI document.

What is made up and what is sent are not the same: `task_id=[true]` goes out as `task_id=true`, a null in a query not at
all. So a request is judged here by its bytes, with the document alone and none of schemathesis' reading of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator

from tests.web.test_openapi import JSON

FORM = "multipart/form-data"
_PARAMETER = re.compile(r"\{(\w+)\}")


class Sent(NamedTuple):
    """A request as it was sent; the names of its headers in lower case."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Judge:
    """One operation of the document, and what is wrong with a request that was sent to it."""

    def __init__(self, document: dict[str, Any], path: str, method: str) -> None:
        """Its schemas are looked up in the document."""
        self._document = document
        self._told = document["paths"][path][method.lower()]
        # Each part between two slashes is one parameter or plain.
        self._path = re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", path.replace(".", r"\.")))

    def misfits(self, sent: Sent) -> list[str]:
        """One line for each; none where the request fits."""
        return [*self._misplaced(sent), *self._misfits_of_body(sent)]

    def _misplaced(self, sent: Sent) -> Iterator[str]:
        """What is wrong with the path, the query and the headers; what is not declared is no matter here."""
        address = urlsplit(sent.url)
        path = self._path.fullmatch(address.path)
        if path is None:
            yield f"{address.path} is not the path"
            return
        in_path = {name: [unquote(text)] for name, text in path.groupdict().items()}
        in_query: dict[str, list[str]] = {}
        for name, text in parse_qsl(address.query, keep_blank_values=True):
            in_query.setdefault(name, []).append(text)
        for place, one in enumerate(self._told.get("parameters", ())):
            name = one["name"]
            header = sent.headers.get(name.lower())
            in_headers = {} if header is None else {name: [header]}
            texts = {"path": in_path, "query": in_query, "header": in_headers}[one["in"]].get(name, [])
            if len(texts) > 1:
                yield f"{name} comes {len(texts)} times"
            elif not texts and one.get("required"):
                yield f"{name} is missing"
            elif texts and not any(self._validators[place].is_valid(value) for value in readings(texts[0])):
                yield f"{name} is {texts[0]!r}"

    def _misfits_of_body(self, sent: Sent) -> Iterator[str]:
        declared = self._told.get("requestBody")
        if declared is None:
            return
        if not sent.body:
            if declared.get("required"):
                yield "there is no body"
            return
        kind = sent.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in declared["content"]:
            yield f"the body is {kind or 'of no kind'}"
        elif kind == JSON:
            yield from self._misfits_of_json(sent.body)
        elif kind == FORM:
            given = names_in_form(sent)
            needed = declared["content"][FORM]["schema"].get("required", [])
            yield from (f"the form has no {name}" for name in needed if name not in given)

    def _misfits_of_json(self, body: bytes) -> Iterator[str]:
        try:
            value = json.loads(body.decode(), parse_constant=_refuse)
        except ValueError as error:
            yield f"the body is no JSON: {error}"
            return
        for error in self._body_validator.iter_errors(value):
            yield f"body.{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"

    @cached_property
    def _validators(self) -> list[Draft202012Validator]:
        """Of its parameters, in their order."""
        return [self._validator(one["schema"]) for one in self._told.get("parameters", ())]

    @cached_property
    def _body_validator(self) -> Draft202012Validator:
        return self._validator(self._told["requestBody"]["content"][JSON]["schema"])

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator({**schema, "components": self._document["components"]})


def names_in_form(sent: Sent) -> set[str]:
    """The fields of a form of several parts."""
    head = f"Content-Type: {sent.headers['content-type']}\r\n\r\n"
    form = BytesParser().parsebytes(head.encode() + sent.body)
    parts = [part for part in form.walk() if part is not form]
    return {str(part.get_param("name", header="content-disposition")) for part in parts}


def readings(text: str) -> list[Any]:
    """What a text in a path, a query or a header may stand for: itself, or a number or truth value as JSON has it."""
    if text in ("true", "false"):
        return [text, text == "true"]
    # Not what Python reads as a number besides: spaces around it, NaN.
    if re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", text):
        return [text, json.loads(text)]
    return [text]


def _refuse(constant: str) -> None:
    raise ValueError(constant)
