"""Errors as callers see them: one shape, a stable code, never a traceback or an internal text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from roony.core.duration import parse_since
from roony.core.errors import Refusal, not_found
from roony.flows.password import PasswordsBusy
from roony.store.command import BUSY, TillClosed
from roony.store.queries.paging import InvalidCursor
from roony.store.writer import ConnectionLost
from roony.web.pages import is_form, render_page

Answer = TypeVar("Answer")
log = structlog.get_logger("roony.web")

# What a field's name or a message may be at most: both can carry what the caller sent.
MAX_FIELD, MAX_MESSAGE = 200, 500

MALFORMED_ADDRESS = Refusal("malformed", "This address was changed on its way, or is not complete.", 400)
MALFORMED_FORM = Refusal("malformed", "This form was changed on its way, or is not complete.", 400)
_CODES = {
    400: "malformed_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    413: "too_large", 415: "unsupported_media_type", 422: "invalid", 429: "too_many_requests", 503: "unavailable",
}  # fmt: skip
_MESSAGES = {
    404: "There is nothing at this address.",
    405: "This address does not know this method.",
}
_TITLES = {404: "There is nothing here", 503: "This does not work now"}
_KINDS = {
    "missing": "It is required.",
    "extra_forbidden": "There is no field of this name here.",
    "model_attributes_type": "It must be a JSON object.",
    "dict_type": "It must be a JSON object.",
    "int_type": "It must be a whole number.",
    "int_from_float": "It must be a whole number.",
    "string_type": "It must be a text.",
    "bool_type": "It must be true or false.",
    "list_type": "It must be a list.",
}


class Refused(Exception):
    """A request that is answered with an error; carries the refusal and headers to send with it."""

    def __init__(self, refusal: Refusal, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.headers = dict(headers or {})


def refuse(status: int, message: str, code: str | None = None, field: str | None = None, **headers: str) -> Refused:
    """A refusal of the web itself; header names are written with underscores."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Refused(Refusal(code or _CODES[status], message, status, field), named)


def accepted(answer: Answer | Refusal) -> Answer:
    """The answer of a command. Raises Refused when it was refused."""
    if isinstance(answer, Refusal):
        raise Refused(answer)
    return answer


def found(row: Answer | None, what: str, id: str) -> Answer:
    """A row that was looked up. Raises Refused (404) when it is not there or somebody else's (P7)."""
    if row is None:
        raise Refused(not_found(what, id))
    return row


def past_time(text: str, now: int, field: str = "since") -> int:
    """A time that a caller named, in microseconds UTC. Raises Refused (422) when it is none, or not past."""
    at = parse_since(text, now)
    if at is None:
        message = "It must be a past time in RFC 3339 with its offset, or how long ago, like 90m, 2h or 7d."
        raise refuse(422, message, field=field)
    return at


def _alone(error: dict[str, Any]) -> dict[str, Any]:
    return {"error": error}


def error_answer(
    refusal: Refusal, request_id: str, headers: Mapping[str, str] | None = None,
    within: Callable[[dict[str, Any]], dict[str, Any]] = _alone,
) -> Response:  # fmt: skip
    """The one shape of all errors; `within` is the body that a protocol of its own wants around it."""
    error: dict[str, Any] = {"code": refusal.code, "message": _clean(refusal.message, MAX_MESSAGE)}
    if refusal.field is not None:
        error["field"] = _clean(refusal.field, MAX_FIELD)
    if refusal.id is not None:
        error["id"] = refusal.id
    if refusal.reasons:
        error["reasons"] = [
            {"code": code, "message": message, **({"scope": scope} if scope else {})}
            for code, message, scope in refusal.reasons
        ]
    error["request_id"] = request_id
    given = dict(headers or {})
    if refusal.status == 401:
        given.setdefault("WWW-Authenticate", "Bearer")
    if refusal.status in (429, 503):
        given.setdefault("Retry-After", "2")
    return JSONResponse(within(error), refusal.status, given)


def answer_of(request: Request, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """The error as a page for a person whose browser looks at one, and in the one shape for everybody else."""
    if request.scope["path"].startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return error_answer(refusal, request_id_of(request), headers)
    page = render_page(
        "dashboard/outside_problem.html", refusal.status, title=_TITLES.get(refusal.status, "This did not work"),
        wrong=_clean(refusal.message, MAX_MESSAGE), request_id=request_id_of(request),
    )  # fmt: skip
    page.headers.update(headers or {})
    return page


def request_id_of(request: Request) -> str:
    """The id of this request, as in its `Request-Id` header."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def _clean(text: str, most: int) -> str:
    """Text that may hold what a caller sent: printable, encodable and short."""
    return "".join(letter if letter.isprintable() else "�" for letter in text[:most])


# Handlers, by what was raised


async def on_refused(request: Request, error: Refused) -> Response:
    """A refusal of ours."""
    return answer_of(request, error.refusal, error.headers)


async def on_http(request: Request, error: HTTPException) -> Response:
    """What the framework refuses: no such address, another method.

    A form that its page sends by script is sent by the browser itself where that script did not run: as a POST to the
    page, so that nothing typed stands in an address, and its person is told with a page.
    """
    if error.status_code == 405 and request.method == "POST" and is_form(request):
        page = render_page("dashboard/needs_script.html", 405, title="Nothing was changed", wrong=None)
        page.headers.update(error.headers or {})
        return page
    status = error.status_code if error.status_code in _CODES else 400
    message = _MESSAGES.get(status, "The request cannot be answered.")
    return answer_of(request, Refusal(_CODES[status], message, status), error.headers)


async def on_invalid(request: Request, error: RequestValidationError) -> Response:
    """What the schema refuses: 422 with the first field that is wrong."""
    first: dict[str, Any] = error.errors()[0]
    field = _field(first["loc"])
    kind = first["type"]
    message = _KINDS.get(kind) or f"{first['msg'].removeprefix('Value error, ').rstrip('.')}."
    if kind == "missing" and field is None:
        message = "A JSON body is required."
    return error_answer(Refusal("invalid", message, 422, field), request_id_of(request))


async def on_cursor(request: Request, _error: InvalidCursor) -> Response:
    """A cursor that was not one of ours."""
    refusal = Refusal("invalid", "This cursor does not belong to this list.", 422, "cursor")
    return error_answer(refusal, request_id_of(request))


async def on_unavailable(request: Request, error: Exception) -> Response:
    """The database or the till does not answer now; nothing is known to have changed."""
    log.error("web.unavailable", error=type(error).__name__, request_id=request_id_of(request))
    refusal = Refusal("unavailable", "Roony cannot reach its database now. Try again in a moment.", 503)
    return answer_of(request, refusal)


async def on_busy(request: Request, _error: PasswordsBusy) -> Response:
    """Too many sign in at this moment."""
    return answer_of(request, BUSY)


def _field(location: Sequence[str | int]) -> str | None:
    """`("body", "merchant", "name")` → `merchant.name`; None for the body as a whole."""
    # What is wrong with the name of a field is said where that field is.
    location = [part for part in location if part != "[key]"]
    parts = [str(part) for part in location[1:]] if location[0] in ("body", "query", "path", "header") else location
    return ".".join(str(part) for part in parts) or None


HANDLERS: dict[Any, Any] = {
    Refused: on_refused,
    HTTPException: on_http,
    RequestValidationError: on_invalid,
    InvalidCursor: on_cursor,
    PasswordsBusy: on_busy,
    TillClosed: on_unavailable,
    ConnectionLost: on_unavailable,
    DBAPIError: on_unavailable,
    PoolTimeout: on_unavailable,
}


async def answer_to(request: Request, error: Exception) -> Response:
    """What is answered to a request that ended with this error. Raises it again where nobody expects it."""
    for kind in type(error).__mro__:
        if kind in HANDLERS:
            response: Response = await HANDLERS[kind](request, error)
            return response
    raise error
