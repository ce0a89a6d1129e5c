"""A browser's session: the cookie it lies in, the token that its forms must carry, and where a form may come from."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from roony.core.sign_in import BROWSER_SECONDS, SESSION_SECONDS
from roony.flows.context import FlowContext
from roony.web.errors import refuse

COOKIE = "roony_session"
# What a browser is known by to those who signed in with it. It opens nothing.
BROWSER = "roony_browser"
_KNOWN_BY = re.compile(r"[A-Za-z0-9_-]{43}")
PREFIX = "roony_session_"
MAX_COOKIE = 200
SameSite = Literal["lax", "strict"]
CSRF_HEADER, CSRF_FIELD = "x-roony-csrf", "csrf"
# What our script says of a page that it draws again by itself: nobody used it.
BY_ITSELF_HEADER = "x-roony-by-itself"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def is_https(context: FlowContext) -> bool:
    """True where people reach this Roony by https."""
    return context.public_url().startswith("https://")


def page_url(context: FlowContext, path: str) -> str:
    """Where people open a page. This machine is named localhost, as people type it: a cookie belongs to one name."""
    return context.public_url().replace("://127.0.0.1", "://localhost", 1) + path


def kept_url(context: FlowContext, request: Request, simulate: bool) -> str | None:
    """The address by which this person reached a Roony beside the simulator, `localhost` or `127.0.0.1`, where their
    session is; None where the public address alone counts, as at Stripe, which leads back to what was registered.
    """
    if not simulate:
        return None
    url = context.public_url()
    names = {one.partition("://")[2]: one for one in (url, url.replace("://127.0.0.1", "://localhost", 1))}
    return names.get(request.headers.get("host", ""))


def cookie_name(context: FlowContext, name: str) -> str:
    """What a cookie is called. With the prefix browsers keep it to this very host and to https (RFC 6265bis)."""
    return f"__Host-{name}" if is_https(context) else name


def set_cookie(
    context: FlowContext, response: Response, name: str, text: str, seconds: int, samesite: SameSite = "lax"
) -> None:
    """Puts a cookie into the browser for so long; no script reads it."""
    response.set_cookie(
        cookie_name(context, name), text, max_age=seconds, path="/", secure=is_https(context), httponly=True,
        samesite=samesite,
    )  # fmt: skip


def drop_cookie(context: FlowContext, response: Response, name: str, samesite: SameSite = "lax") -> None:
    """Takes it out again."""
    response.delete_cookie(
        cookie_name(context, name), path="/", secure=is_https(context), httponly=True, samesite=samesite
    )


def session_text(request: Request) -> str | None:
    """The session a request carries, whatever it may be worth."""
    return session_in(request.app.state.context, request)


def session_in(context: FlowContext, request: Request) -> str | None:
    """The same where the context is at hand."""
    text = request.cookies.get(cookie_name(context, COOKIE))
    return text if text and len(text) <= MAX_COOKIE and text.startswith(PREFIX) and text.isascii() else None


def keep_session(context: FlowContext, response: Response, text: str) -> None:
    """Puts a session into the browser. Lax, so that a link in a message finds its reader signed in; every change needs
    the token besides."""
    set_cookie(context, response, COOKIE, text, SESSION_SECONDS)


def known_by(request: Request) -> str:
    """The secret this browser is known by; empty where it has none."""
    text = request.cookies.get(cookie_name(request.app.state.context, BROWSER), "")
    return text if _KNOWN_BY.fullmatch(text) else ""


def new_known_by() -> str:
    """A secret for a browser that has none."""
    return secrets.token_urlsafe(32)


def keep_known_by(context: FlowContext, response: Response, text: str) -> None:
    """Puts what it is known by into the browser. Signing out leaves it there."""
    set_cookie(context, response, BROWSER, text, BROWSER_SECONDS)


def drop_session(context: FlowContext, response: Response) -> None:
    """Takes the session out of the browser."""
    drop_cookie(context, response, COOKIE)


def csrf_token(session: str) -> str:
    """The token of a session's forms: only pages of ours can know it, and it opens nothing by itself."""
    return hmac.new(session.encode(), b"roony forms", hashlib.sha256).hexdigest()


def check_csrf(request: Request, session: str, given: str | None, merely_reads: bool = True) -> None:
    """Raises Refused (403) for a change that did not come from a page of ours in this session.

    With `merely_reads` a GET needs no token: a link or a file to save could not bring it. Without, it may do something.
    """
    if merely_reads and request.method in _SAFE:
        return
    if given is None or not hmac.compare_digest(given.encode(), csrf_token(session).encode()):
        raise refuse(403, "This form is too old, or not from here. Load the page again.", "wrong_form_token")
    check_origin(request)


def check_origin(request: Request) -> None:
    """Raises Refused (403) for a change that a page of somebody else sent; browsers say whose it is.

    Older ones say it by the Origin alone, which is `null` from pages that tell nobody where they are, such as ours.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None:
        own = origin is None or origin.partition("://")[2] == request.headers.get("host", "")
    else:
        own = site in ("same-origin", "none")
    if not own:
        raise refuse(403, "Another page sent this form. Open Roony itself and try again.", "foreign_form")
