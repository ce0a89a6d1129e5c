"""The docs of the API for people, made from openapi.json without any foreign host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roony.web.openapi import ERROR, JSON, Node, example_of, operations
from roony.web.pages import render, style_sheet


def routes() -> list[Route]:
    """Routes that need no key and show nothing of an organization."""
    return [
        Route("/openapi.json", Once(_openapi).answer, include_in_schema=False),
        Route("/docs", Once(_docs).answer, include_in_schema=False),
        Route("/static/roony.css", _style, include_in_schema=False),
    ]


class Once:
    """An answer that is the same for everybody, and made once, in a thread: the event loop answers Stripe meanwhile.

    Nobody needs a key for it: to make it for each who asks would keep the process from everything else.
    """

    def __init__(self, make: Callable[[Any], Response]) -> None:
        """`make` is called with the app."""
        self._make = make
        self._making: asyncio.Task[Response] | None = None

    async def answer(self, request: Request) -> Response:
        """The same bytes again. Who goes away meanwhile ends their own waiting only."""
        making = self._making
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = asyncio.create_task(asyncio.to_thread(self._make, request.app), name="docs")
            self._making = making
        made = await asyncio.shield(making)
        return Response(made.body, made.status_code, dict(made.headers))


def _style(_request: Request) -> Response:
    return style_sheet("roony.css")


def _openapi(app: Any) -> Response:
    return JSONResponse(app.openapi())


def _docs(app: Any) -> Response:
    """Every operation of openapi.json on one page."""
    document = app.openapi()
    shown = [
        {
            "method": method.upper(), "path": path, "fields": _fields(document, operation),
            "examples": list(_examples(operation)), **operation,
        }
        for path, method, operation in operations(document)
    ]  # fmt: skip
    tags = list(dict.fromkeys(operation.get("tags", [""])[0] for operation in shown))
    error = _text(example_of(ERROR, document["components"]["schemas"]))
    return render("docs.html", 200, info=document["info"], tags=tags, operations=shown, error=error)


def _examples(operation: Node) -> Iterator[tuple[str, str, str]]:
    """What is sent and what is answered where it works, as (what it is, media type, text)."""
    bodies = {"Body": operation.get("requestBody", {})}
    bodies |= {f"Answer {status}": answer for status, answer in operation["responses"].items() if status < "4"}
    for title, body in bodies.items():
        for kind, content in body.get("content", {}).items():
            yield title, kind, _text(content["example"])


def _text(value: Any) -> str:
    """JSON and the parts of a form as JSON, everything else as it is."""
    return value.strip() if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _fields(document: Node, operation: Node) -> list[Node]:
    """The fields of an operation's body, with their types in words."""
    content = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})
    schema = _resolve(document, next((part for part in content.get("anyOf", [content]) if "$ref" in part), content))
    required = set(schema.get("required", []))
    return [
        {"name": name, "type": _type(field), "required": name in required, "about": field.get("description", "")}
        for name, field in schema.get("properties", {}).items()
    ]


def _resolve(document: Node, schema: Node) -> Node:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Node = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _type(field: Node) -> str:
    if "anyOf" in field:
        return " or ".join(_type(part) for part in field["anyOf"])
    if "enum" in field:
        return " | ".join(str(word) for word in field["enum"])
    if "items" in field:
        return f"list of {_type(field['items'])}"
    return str(field.get("type") or field.get("const") or field.get("$ref", "").rpartition("/")[2] or "any")
