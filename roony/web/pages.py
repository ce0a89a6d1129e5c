"""HTML pages for people: a style sheet and at most one script of our own, nothing kept by browsers or proxies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from roony.core.text import visible

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

# The same for a page with our own script, which speaks to nobody.
SCRIPT_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": _POLICY.format(target="'none'") + "; script-src 'self'",
}

# For the pages of the dashboard: our own script, which speaks to us alone.
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": _POLICY.format(target="'self'")
    + "; script-src 'self'; connect-src 'self'; img-src 'self'",
}

# After so long it is worth while to try again what could not be done now.
BUSY_SECONDS = "2"

FORM_TYPE = "application/x-www-form-urlencoded"


def _shown(value: Any) -> Any:
    """What is written into a page: of text from outside all is seen. Markup is ours, and was looked at before."""
    return visible(value) if type(value) is str else value


_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, auto_reload=False,
    finalize=_shown,
)  # fmt: skip


def render(template: str, status: int, **values: Any) -> HTMLResponse:
    """One page from `roony/web/templates`; every value is escaped."""
    return HTMLResponse(_templates.get_template(template).render(**values), status, HEADERS)


def render_form(template: str, status: int, **values: Any) -> HTMLResponse:
    """One page with a form that may be sent to us, and nowhere else."""
    return HTMLResponse(_templates.get_template(template).render(**values), status, FORM_HEADERS)


def render_with_script(template: str, status: int, **values: Any) -> HTMLResponse:
    """One page with a script of ours, that may speak to nobody."""
    return HTMLResponse(_templates.get_template(template).render(**values), status, SCRIPT_HEADERS)


def render_page(template: str, status: int, **values: Any) -> HTMLResponse:
    """One page of the dashboard, with our script."""
    headers = {**PAGE_HEADERS, "Retry-After": BUSY_SECONDS} if status == 503 else PAGE_HEADERS
    return HTMLResponse(_templates.get_template(template).render(**values), status, headers)


def style_sheet(name: str) -> Response:
    """A style sheet from `roony/web/static`. `name` is ours, never the caller's."""
    return Response((HERE / "static" / name).read_bytes(), 200, HEADERS, media_type="text/css")


def only(path: str, endpoint: object, method: str) -> Route:
    """A route for exactly this method: what is only looked at needs no answer to HEAD."""
    route = Route(path, endpoint, methods=[method], include_in_schema=False)  # type: ignore[arg-type]
    # Starlette adds HEAD by itself.
    route.methods = {method}
    return route


def is_form(request: Request) -> bool:
    """True if the request says that it carries a form as browsers send them."""
    given = request.headers.getlist("content-type")
    return len(given) == 1 and given[0].partition(";")[0].strip().lower() == FORM_TYPE
