"""Answers held against the OpenAPI document: status, media type and every field are what it declares."""

from __future__ import annotations

import re
from functools import cache
from types import SimpleNamespace
from typing import Any

import jsonschema_rs

from roony.web.app import AppOptions, create_app
from roony.web.openapi import operations

JSON = "application/json"


@cache
def document() -> dict[str, Any]:
    """The document, made without a database."""
    context = SimpleNamespace(new_id=str, database=None, till=SimpleNamespace(listen=lambda _listener: None))
    made: dict[str, Any] = create_app(context, AppOptions())._app.openapi()  # type: ignore[arg-type, attr-defined]
    return made


@cache
def _doors() -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    """Every operation as (method, what its paths look like, what it declares); the plainest paths first."""
    found = [
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), told)
        for path, method, told in operations(document())
    ]
    return sorted(found, key=lambda door: door[1].pattern.count("[^/]+"))


@cache
def _validator(text: str) -> jsonschema_rs.Validator:
    schema = {"$ref": text, "components": document()["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def expect_declared(method: str, path: str, status: int, media_type: str, value: Any) -> None:
    """Fails for an answer that the document does not have; `value` is the JSON of the body."""
    plain = path.partition("?")[0]
    told = next((told for known, form, told in _doors() if known == method and form.fullmatch(plain)), None)
    # What is no operation of the document is none of this; neither is what a test broke on purpose.
    if told is None or status == 500:
        return
    assert str(status) in told["responses"], f"{method} {path} declares no {status}: {value}"
    content = told["responses"][str(status)]["content"]
    kind = media_type.partition(";")[0]
    assert kind in content, f"{method} {path} {status} declares no {kind}"
    if kind == JSON:
        wrong = [
            f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}"
            for error in _validator(content[kind]["schema"]["$ref"]).iter_errors(value)
        ]
        assert not wrong, f"{method} {path} {status} is not as declared: {wrong}"
