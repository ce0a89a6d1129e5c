"""The style sheets and the scripts of the pages."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roony.web.pages import HEADERS, HERE, only, style_sheet

_FILES = {
    "/static/approvals.js": "text/javascript",
    "/static/dashboard.css": "text/css",
    "/static/dashboard.js": "text/javascript",
    "/static/first_run.js": "text/javascript",
    "/static/icon.svg": "image/svg+xml",
    "/static/live.js": "text/javascript",
    "/static/passkeys.js": "text/javascript",
    "/static/reveal.js": "text/javascript",
    "/static/rules.js": "text/javascript",
}


async def _asset(request: Request) -> Response:
    path = request.url.path
    if path.endswith(".css"):
        return style_sheet(path.rpartition("/")[2])
    return Response((HERE / path.lstrip("/")).read_bytes(), 200, HEADERS, media_type=_FILES[path])


def routes() -> list[Route]:
    """One for each file."""
    return [only(path, _asset, "GET") for path in _FILES]
