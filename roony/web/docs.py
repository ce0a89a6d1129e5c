"""The docs of the API for people, made from openapi.json without any foreign host."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roony.web.pages import render, style_sheet


def routes() -> list[Route]:
    """Routes that need no key and show nothing of an organization."""
    return [
        Route("/docs", _docs, include_in_schema=False),
        Route("/static/roony.css", _style, include_in_schema=False),
    ]


def _style(_request: Request) -> Response:
    return style_sheet("roony.css")


def _docs(request: Request) -> Response:
    """Every operation of openapi.json on one page."""
    document = request.app.openapi()
    operations = [
        {"method": method.upper(), "path": path, "fields": _fields(document, operation), **operation}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    tags = list(dict.fromkeys(operation.get("tags", [""])[0] for operation in operations))
    return render("docs.html", 200, info=document["info"], tags=tags, operations=operations)


def _fields(document: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of an operation's body, with their types in words."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = _resolve(document, next((part for part in content.get("anyOf", [content]) if "$ref" in part), content))
    required = set(schema.get("required", []))
    return [
        {"name": name, "type": _type(field), "required": name in required, "about": field.get("description", "")}
        for name, field in schema.get("properties", {}).items()
    ]


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(part) for part in field["anyOf"])
    if "enum" in field:
        return " | ".join(str(word) for word in field["enum"])
    if "items" in field:
        return f"list of {_type(field['items'])}"
    return str(field.get("type") or field.get("const") or field.get("$ref", "").rpartition("/")[2] or "any")
