"""The owner's way through Stripe's OAuth in a browser: the start link, the way back, and a clear page for each end.

Answers carry no secret and no text from outside but the ids that Roony itself knows. Stripe is told apart from us by
the status: 400 the owner or Stripe said no, 409 the account cannot be taken, 502 Stripe did not answer.
"""

from __future__ import annotations

from typing import NamedTuple

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from roony.core.connection import NEXT, Connection, restrictions_of
from roony.core.errors import Refusal
from roony.core.hashing import text_hash
from roony.core.preflight import Preflight, checks_of, summary
from roony.flows.connection import Callback, finish, open_ticket
from roony.flows.context import FlowContext
from roony.flows.preflight import first_preflight
from roony.store.authority import over
from roony.store.command import TillClosed
from roony.store.queries.keys import holder_of
from roony.store.queries.organizations import find_organization
from roony.store.writer import ConnectionLost
from roony.web.errors import MALFORMED_ADDRESS
from roony.web.pages import HEADERS, render, style_sheet
from roony.web.requests import fields_of
from roony.web.session import is_https, kept_url, page_url, session_in

log = structlog.get_logger("roony.oauth")

# Where whoever is signed in goes on afterwards.
GO_ON = "/start"
COOKIE = "roony_connect"
COOKIE_PATH = "/connect/stripe"
# As long as the state it belongs to, in seconds.
COOKIE_SECONDS = 600
MAX_QUERY = 4_096
# How long the owner waits for what the first look at the account finds.
PREFLIGHT_SECONDS = 4.0
# Longest parameters taken, in characters. Ours are 43 long; Stripe's are opaque and may be up to 255 (facts 7.4).
LONGEST = {"ticket": 128, "state": 128, "code": 255, "error": 100}
LONGEST_COOKIE = 128

NEW_LINK = "Nothing was connected. Ask for a new start link and open it in this browser."
STOPPING = Refusal("busy", "Roony takes no changes at this moment.", 503)


class _Page(NamedTuple):
    title: str
    next: str


_PAGES = {
    "malformed": _Page("This address is not valid", NEW_LINK),
    "link_invalid": _Page("This start link no longer works", NEW_LINK),
    "state_invalid": _Page("This answer from Stripe could not be used", NEW_LINK),
    "refused_at_stripe": _Page(
        "Access was not granted", "You can close this window. To connect after all, ask for a new start link."
    ),
    "code_refused": _Page("Stripe did not accept the code", NEW_LINK),
    "wrong_mode": _Page(
        "The account is in the other mode", "Connect again with an account of the mode this installation works in."
    ),
    "scope_too_small": _Page("Not enough access was granted", NEW_LINK),
    "account_taken": _Page(
        "This Stripe account is already connected",
        "An account belongs to one organization only. Connect another account, or ask whoever runs this installation.",
    ),
    "stripe_unavailable": _Page("Stripe did not answer", "Wait a moment, then ask for a new start link."),
    "busy": _Page("Too much is waiting", "Wait a moment, then ask for a new start link."),
    "connect_not_configured": _Page(
        "Connecting by OAuth is not set up", "Whoever runs this installation has to set STRIPE_CONNECT_CLIENT_ID."
    ),
    "app_not_configured": _Page(
        "Installing the app is not set up", "Whoever runs this installation has to set STRIPE_APP_CLIENT_ID."
    ),
    "other_organization": _Page(
        "This link is not of your organization", "Ask whoever sent it to you which organization it is of."
    ),
    "tokens_missing": _Page("Stripe's answer could not be used", NEW_LINK),
}
_OTHER = _Page(
    "The account could not be connected",
    "Look whether it is among your connections all the same. If it is not, ask for a new start link.",
)


def routes(context: FlowContext, simulate: bool = False) -> list[Route]:
    """The routes to mount. Only GET: a HEAD, as link previews send it, must not use a start link up."""

    def page(request: Request, path: str) -> str:
        """A page of the dashboard, where the person's session is."""
        kept = kept_url(context, request, simulate)
        return page_url(context, path) if kept is None else kept + path

    async def begin(request: Request) -> Response:
        back = page(request, GO_ON)
        query = _query(request, ("ticket",))
        if query is None or "ticket" not in query:
            return _failed(MALFORMED_ADDRESS, back)
        try:
            whose = await _signed_in_to(context, request)
            opened = await open_ticket(context, query["ticket"], whose, kept_url(context, request, simulate))
        except (TillClosed, ConnectionLost):
            return _failed(STOPPING, back)
        if isinstance(opened, Refusal):
            return _failed(opened, back)
        response = RedirectResponse(opened.authorize_url, 303, HEADERS)
        response.set_cookie(
            COOKIE,
            opened.cookie,
            max_age=COOKIE_SECONDS,
            path=COOKIE_PATH,
            secure=is_https(context),
            httponly=True,
            samesite="lax",
        )
        return response

    async def callback(request: Request) -> Response:
        back = page(request, GO_ON)
        query = _query(request, ("state", "code", "error"))
        cookie = request.cookies.get(COOKIE)
        if query is None or "state" not in query or ("code" in query) == ("error" in query):
            return _failed(MALFORMED_ADDRESS, back)
        if cookie is not None and len(cookie) > LONGEST_COOKIE:
            cookie = None
        try:
            ended = await finish(context, Callback(query["state"], cookie, query.get("code"), query.get("error")))
        except (TillClosed, ConnectionLost):
            return _failed(STOPPING, back)
        if isinstance(ended, Refusal):
            response = _failed(ended, back)
        else:
            looked = await first_preflight(context, ended, PREFLIGHT_SECONDS)
            # Who has no session came by a start link of the command line.
            more = page(request, "/connections") if session_in(context, request) is not None else None
            organization = await run_in_threadpool(find_organization, context.database, ended.organization_id)
            response = _connected(ended, organization.name, looked, back, more)
        if not (isinstance(ended, Refusal) and ended.code == "state_invalid"):
            response.delete_cookie(COOKIE, path=COOKIE_PATH, secure=is_https(context), httponly=True, samesite="lax")
        return response

    async def style(_request: Request) -> Response:
        return style_sheet("dashboard.css")

    return [
        _only_get("/connect/stripe", begin),
        _only_get("/connect/stripe/callback", callback),
        _only_get("/connect/dashboard.css", style),
    ]


def _only_get(path: str, endpoint: object) -> Route:
    route = Route(path, endpoint, methods=["GET"], include_in_schema=False)  # type: ignore[arg-type]
    # Starlette adds HEAD by itself.
    route.methods = {"GET"}
    return route


def _query(request: Request, known: tuple[str, ...]) -> dict[str, str] | None:
    """The known parameters, or None for a query that is too long, not readable, or names one of them twice."""
    raw = request.scope["query_string"]
    return fields_of(raw, {name: LONGEST[name] for name in known}) if len(raw) <= MAX_QUERY else None


async def _signed_in_to(context: FlowContext, request: Request) -> str | None:
    """The organization that whoever looks is signed in to; None where they are signed in to none."""
    session = session_in(context, request)
    holder = await run_in_threadpool(holder_of, context.database, text_hash(session)) if session is not None else None
    if holder is None or holder.key.kind != "session" or over(holder.key, context.clock()) is not None:
        return None
    return holder.key.organization_id


def _connected(
    connection: Connection, organization: str, looked: Preflight | None, back: str, more: str | None
) -> Response:  # fmt: skip
    mode = "live" if connection.livemode else "test"
    text = "Roony may now make cards on this account, within the budgets and controls you set."
    if connection.status != "active":
        reasons = [f"{one.message} {NEXT.get(one.code, '')}" for one in restrictions_of(connection)]
        text = f"Nothing can be bought on it yet. {' '.join(reasons)}"
    found = summary(checks_of(looked)) if looked is not None else "Roony is still looking at the account."
    command = f" Roony's pages say what to do; so does: roony connection preflight {connection.id}"
    return render(
        "connect/result.html",
        200,
        title="The Stripe account is connected",
        wrong=None,
        text=text,
        facts=[
            ("Organization", organization),
            ("Stripe account", connection.stripe_account),
            ("Mode", mode),
            ("Connection", connection.id),
        ],
        next=f"{found} You can close this window.{command if more is None else ''}",
        more=more,
        back=back,
    )


def _failed(refusal: Refusal, back: str) -> Response:
    page = _PAGES.get(refusal.code, _OTHER)
    log.info("connect.page", code=refusal.code, status=refusal.status)
    # What a flow refuses as 422 or 404 is, for the person in front of the browser, a link that did not work out.
    status = refusal.status if refusal.status in (400, 409, 502, 503) else 400
    return render(
        "connect/result.html",
        status,
        title=page.title,
        wrong=refusal.message,
        text=None,
        facts=[],
        next=page.next,
        more=None,
        back=back,
    )
