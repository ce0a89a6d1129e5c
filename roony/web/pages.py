"""Plain HTML pages for people: no script, one style sheet of our own, nothing kept by browsers or proxies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

HERE = Path(__file__).parent
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action {target}; frame-ancestors 'none'"
# For every answer a browser gets: nothing is stored, nothing is loaded from elsewhere, nothing is told to others.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY.format(target="'none'"),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# The same for a page with a form of ours.
FORM_HEADERS = {**HEADERS, "Content-Security-Policy": _POLICY.format(target="'self'")}

_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, auto_reload=False
)


def render(template: str, status: int, **values: Any) -> HTMLResponse:
    """One page from `roony/web/templates`; every value is escaped."""
    return HTMLResponse(_templates.get_template(template).render(**values), status, HEADERS)


def render_form(template: str, status: int, **values: Any) -> HTMLResponse:
    """One page with a form that may be sent to us, and nowhere else."""
    return HTMLResponse(_templates.get_template(template).render(**values), status, FORM_HEADERS)


def style_sheet(name: str) -> Response:
    """A style sheet from `roony/web/static`. `name` is ours, never the caller's."""
    return Response((HERE / "static" / name).read_bytes(), 200, HEADERS, media_type="text/css")
