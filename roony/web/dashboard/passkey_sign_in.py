"""Signing in with a passkey: what the browser is asked, and where its device's answer goes."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roony.core.errors import Refusal
from roony.core.sign_in import CHALLENGE, LINK_SECONDS
from roony.flows.context import FlowContext
from roony.flows.passkey_sign_in import PasskeyAttempt, ask_to_sign_in, sign_in_with_passkey
from roony.web.dashboard.sign_in import (
    LONGEST_NEXT,
    LONGEST_TICKET,
    STOPPING,
    UNAVAILABLE,
    browser_of,
    count_try,
    log,
    read_form,
    sign_in_form,
    signed_in,
)
from roony.web.dashboard.view import SIGN_IN, is_own_path
from roony.web.errors import MALFORMED_FORM, Refused
from roony.web.pages import HEADERS, only
from roony.web.passkey_site import needed_site
from roony.web.session import check_origin, cookie_name, drop_cookie, set_cookie

COOKIE = "roony_passkey"
# What a device answers is about 1,000 characters; the longest ids and signatures there are make it 5,000. Written as a
# form it is up to three times as long.
_LONGEST = {"credential": 5_000, "next": LONGEST_NEXT}
MAX_FORM = 16_384


def routes() -> list[Route]:
    """What the sign-in page's script calls, and where its form goes."""
    return [only(f"{SIGN_IN}/passkey/challenge", _ask, "POST"), only(f"{SIGN_IN}/passkey", _sent, "POST")]


async def _ask(request: Request) -> Response:
    """A challenge, whose ticket goes into a cookie that no script reads and no other site sends."""
    context: FlowContext = request.app.state.context
    check_origin(request)
    count_try(request)
    asked = await ask_to_sign_in(context, needed_site(context))
    response = JSONResponse({"public_key": asked.options}, 200, HEADERS)
    set_cookie(context, response, COOKIE, asked.ticket, LINK_SECONDS[CHALLENGE], "strict")
    return response


async def _sent(request: Request) -> Response:
    """1 a form of ours, not too often, with the ticket · 2 the signature · 3 the session, as after a password."""
    context: FlowContext = request.app.state.context
    next_path = "/"
    try:
        form = await read_form(request, _LONGEST, most=MAX_FORM)
        answer = _answer((form or {}).get("credential", ""))
        if form is None or answer is None:
            return sign_in_form(request, 400, MALFORMED_FORM.message, "/")
        next_path = form.get("next", "/") if is_own_path(form.get("next", "/")) else "/"
        count_try(request)
        site, ticket = needed_site(context), request.cookies.get(cookie_name(context, COOKIE), "")[:LONGEST_TICKET]
        done = await sign_in_with_passkey(context, site, PasskeyAttempt(ticket, answer, browser_of(request)))
    except Refused as error:
        return sign_in_form(request, error.refusal.status, error.refusal.message, next_path)
    except UNAVAILABLE:
        return sign_in_form(request, STOPPING.status, STOPPING.message, next_path)
    if isinstance(done, Refusal):
        log.info("sign_in.refused", code=done.code, method="passkey")
        return sign_in_form(request, done.status, done.message, next_path)
    response = await signed_in(request, done, next_path)
    drop_cookie(context, response, COOKIE, "strict")
    return response


def _answer(text: str) -> dict[str, Any] | None:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
