"""Signing in and out: a form for people with a password, and what is behind a link that opens once."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from roony.core.address import place_of
from roony.core.errors import Refusal
from roony.core.hashing import text_hash
from roony.core.sign_in import LONGEST_PASSWORD, SHORTEST_PASSWORD, OneTimeLink, wrong_password
from roony.flows.context import FlowContext
from roony.flows.one_time_link import LINK_OVER, UseLink, find_open
from roony.flows.password import PasswordsBusy, hash_password
from roony.flows.sign_in import Attempt, SeveralOrganizations, SignedIn, SignOut, new_session, sign_in
from roony.flows.sign_in_tries import clear_tries, of_browser
from roony.store.command import TillClosed
from roony.store.queries.keys import holder_of
from roony.store.queries.organizations import find_organization
from roony.store.queries.sign_in import find_user
from roony.store.writer import ConnectionLost
from roony.web.dashboard.view import SIGN_IN, is_own_path
from roony.web.errors import MALFORMED_FORM, Refused
from roony.web.pages import HEADERS, is_form, only, render_page
from roony.web.passkey_site import NOT_HERE, passkey_site
from roony.web.requests import fields_of, read_body
from roony.web.session import (
    CSRF_FIELD,
    check_csrf,
    check_origin,
    drop_session,
    keep_known_by,
    keep_session,
    known_by,
    new_known_by,
    session_text,
)

log = structlog.get_logger("roony.sign_in")

WELCOME = "/welcome"
MAX_FORM = 4_096
LONGEST_TICKET, LONGEST_EMAIL, LONGEST_NEXT, LONGEST_ID = 128, 254, 500, 128
# Tries from one address in a minute, whoever they are for: an office behind one address signs in together.
TRIES_PER_MINUTE = 60
_SIGN_IN = {"email": LONGEST_EMAIL, "password": LONGEST_PASSWORD, "next": LONGEST_NEXT, "organization": LONGEST_ID}
_WELCOME = {"ticket": LONGEST_TICKET, "password": LONGEST_PASSWORD}

STOPPING = Refusal("busy", "Roony takes no changes at this moment. Try again.", 503)
# What a form of ours is answered with STOPPING for: nothing is wrong with it, and nothing was changed.
UNAVAILABLE = (TillClosed, ConnectionLost, PasswordsBusy)


def routes() -> list[Route]:
    """Pages for people who are not signed in, and the way out."""
    return [
        only(SIGN_IN, _ask, "GET"), only(SIGN_IN, _sent, "POST"), only("/sign-out", _sign_out, "POST"),
        only(WELCOME, _look, "GET"), only(WELCOME, _use, "POST"),
    ]  # fmt: skip


def browser_of(request: Request) -> str:
    """What the browser says it is, in short and printable."""
    text = request.headers.get("user-agent", "")
    for name in ("Edg", "OPR", "Firefox", "Chrome", "Safari"):
        if f"{name}/" in text:
            system = next((one for one in ("Windows", "Android", "iPhone", "Mac OS", "Linux") if one in text), "")
            return " on ".join(part for part in ({"Edg": "Edge", "OPR": "Opera"}.get(name, name), system) if part)
    return "".join(one for one in text if one.isprintable())[:60]


async def read_form(
    request: Request, longest: dict[str, int], *texts: str, most: int = MAX_FORM
) -> dict[str, str] | None:
    """The fields of a form of ours; None for one that cannot be read. Raises Refused (403) for another page's."""
    check_origin(request)
    body = await read_body(request, most)
    return fields_of(body, longest, frozenset(texts)) if is_form(request) else None


def count_try(request: Request) -> None:
    """Counts a try from this address. Raises Refused (429) above TRIES_PER_MINUTE."""
    place = place_of(request.app.state.key_guard.address_of(request))
    seconds = request.app.state.sign_in_rate.wait_after(place, TRIES_PER_MINUTE)
    if seconds:
        message = f"There were too many tries from your address. Wait {seconds} seconds."
        raise Refused(Refusal("rate_limited", message, 429), {"Retry-After": str(seconds)})


async def _ask(request: Request) -> Response:
    given = request.query_params.get("next", "/")[:LONGEST_NEXT]
    next_path = given if is_own_path(given) else "/"
    organization = request.query_params.get("organization", "")[:LONGEST_ID]
    return sign_in_form(request, 200, None, next_path, organization=organization)


def sign_in_form(
    request: Request, status: int, wrong: str | None, next_path: str, email: str = "", organization: str = "",
    choices: tuple[tuple[str, str], ...] = (),
) -> Response:  # fmt: skip
    """The page, with what is wrong, and what was typed before."""
    links = [(f"{SIGN_IN}?organization={quote(id)}&next={quote(next_path, safe='')}", name) for id, name in choices]
    return render_page(
        "dashboard/sign_in.html", status, title="Sign in", wrong=wrong, next=next_path, email=email,
        organization=organization, choices=links, longest=LONGEST_PASSWORD,
        simulate=request.app.state.options.simulate,
        site=passkey_site(request.app.state.context), not_here=NOT_HERE,
    )  # fmt: skip


async def _sent(request: Request) -> Response:
    """1 a form of ours, not too often · 2 the password · 3 the session's cookie, in place of one that was there."""
    context: FlowContext = request.app.state.context
    email, next_path, organization = "", "/", ""
    try:
        form = await read_form(request, _SIGN_IN, "password", "email", "next", "organization")
        if form is None or not {"email", "password"} <= form.keys():
            return sign_in_form(request, 400, MALFORMED_FORM.message, "/")
        email, organization = form["email"].strip(), form.get("organization", "")
        next_path = form.get("next", "/") if is_own_path(form.get("next", "/")) else "/"
        count_try(request)
        attempt = Attempt(email, form["password"], organization or None, browser_of(request), known_by(request))
        done = await sign_in(context, attempt)
    except Refused as error:
        return sign_in_form(request, error.refusal.status, error.refusal.message, next_path, email, organization)
    except UNAVAILABLE:
        return sign_in_form(request, 503, STOPPING.message, next_path, email, organization)
    if isinstance(done, SeveralOrganizations):
        text = "This e-mail address and password are good in more than one organization. Choose one and sign in again."
        return sign_in_form(request, 409, text, next_path, email, choices=done.choices)
    if isinstance(done, Refusal):
        log.info("sign_in.refused", code=done.code)
        return sign_in_form(request, done.status, done.message, next_path, email, organization)
    return await signed_in(request, done, next_path)


async def signed_in(request: Request, who: SignedIn, next_path: str) -> Response:
    """The answer to a sign-in: the new session in the browser, known from now on, and the end of one from before."""
    context: FlowContext = request.app.state.context
    await _end_session(request)
    browser = known_by(request) or new_known_by()
    with suppress(TillClosed, ConnectionLost):
        # Who is in stays in, whether or not the browser is known the next time.
        await context.till.write(clear_tries(of_browser(browser, who.organization_id, who.user_id), context.clock()))
    response = RedirectResponse(next_path, 303, HEADERS)
    keep_session(context, response, who.text)
    keep_known_by(context, response, browser)
    return response


async def _end_session(request: Request) -> None:
    """Revokes the session the browser has, if it is still good."""
    session, context = session_text(request), request.app.state.context
    if session is None:
        return
    holder = await run_in_threadpool(holder_of, context.database, text_hash(session))
    if holder is not None and holder.key.kind == "session":
        await context.till.submit(SignOut(holder.key.organization_id, holder.key))


async def _sign_out(request: Request) -> Response:
    """The end of this session, at once and everywhere."""
    session = session_text(request)
    response = RedirectResponse(SIGN_IN, 303, HEADERS)
    try:
        form = await read_form(request, {CSRF_FIELD: 64})
        if session is not None:
            check_csrf(request, session, (form or {}).get(CSRF_FIELD))
            await _end_session(request)
    except Refused as error:
        return sign_in_form(request, error.refusal.status, error.refusal.message, "/")
    except UNAVAILABLE:
        return sign_in_form(request, 503, STOPPING.message, "/")
    drop_session(request.app.state.context, response)
    return response


async def _look(request: Request) -> Response:
    """Looking spends nothing."""
    ticket = request.query_params.get("ticket", "")[:LONGEST_TICKET]
    link = await find_open(request.app.state.context, ticket, "invitation", "sign_in")
    return await _welcome(request, link, ticket, 200, None)


async def _use(request: Request) -> Response:
    """1 a form of ours · 2 a link that is good · 3 a password that may be one · 4 all of it in one commit."""
    context: FlowContext = request.app.state.context
    try:
        form = await read_form(request, _WELCOME, "password")
        if form is None or "ticket" not in form:
            return await _welcome(request, MALFORMED_FORM, "", 400, None)
        count_try(request)
        link = await find_open(context, form["ticket"], "invitation", "sign_in")
        if isinstance(link, Refusal):
            return await _welcome(request, link, "", link.status, None)
        hashed = None
        if link.kind == "invitation":
            user = await run_in_threadpool(find_user, context.database, link.organization_id, link.user_id)
            weak = wrong_password(form.get("password", ""), user.email if user is not None else "")
            if weak is not None:
                return await _welcome(request, link, form["ticket"], 422, weak.message)
            hashed = await hash_password(form["password"])
        key = new_session(context.new_id("key"), browser_of(request))
        done = await context.till.submit(
            UseLink(link.organization_id, link.user_id, text_hash(form["ticket"]), key, hashed)
        )
    except Refused as error:
        return await _welcome(request, error.refusal, "", error.refusal.status, None)
    except UNAVAILABLE:
        return await _welcome(request, STOPPING, "", 503, None)
    if isinstance(done, Refusal):
        return await _welcome(request, done, "", done.status, None)
    return await signed_in(request, SignedIn(link.organization_id, link.user_id, key.text), "/")


async def _welcome(
    request: Request, link: OneTimeLink | Refusal, ticket: str, status: int, wrong: str | None
) -> Response:
    context: FlowContext = request.app.state.context
    user = None
    if isinstance(link, OneTimeLink):
        user = await run_in_threadpool(find_user, context.database, link.organization_id, link.user_id)
    if isinstance(link, Refusal) or user is None:
        refusal = link if isinstance(link, Refusal) else LINK_OVER
        return render_page(
            "dashboard/outside_problem.html",
            refusal.status,
            title="This link does not work",
            wrong=refusal.message,
            request_id="",
        )
    organization = (await run_in_threadpool(find_organization, context.database, link.organization_id)).name
    return render_page(
        "dashboard/welcome.html", status, title=f"Welcome, {user.name}", wrong=wrong, ticket=ticket,
        organization=organization, email=user.email, choose=link.kind == "invitation",
        shortest=SHORTEST_PASSWORD, longest=LONGEST_PASSWORD,
    )  # fmt: skip
