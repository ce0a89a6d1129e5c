"""The page behind a reveal link: a form that anybody with the link sees, and card details for a person with the right.

Looking spends nothing, since mail programs and chats look at links before people do. The form is sent as a POST: by
somebody signed in with the token of their session, by anybody else with their admin key, which goes into no address, no
cookie and no log.
"""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import quote

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roony.core.delivery import RevealLink
from roony.core.errors import Refusal
from roony.core.money import format_amount
from roony.flows.context import FlowContext
from roony.flows.delivery import LINK_PATH
from roony.flows.reveal import LINK_OVER, Revealed, count_wrong_key, find_link, reveal
from roony.store.command import TillClosed
from roony.store.queries.names import names_of
from roony.store.writer import ConnectionLost
from roony.web import answers
from roony.web.auth import MAX_KEY_LENGTH, Caller, caller_in_session, who_may_reveal
from roony.web.errors import MALFORMED_ADDRESS, Refused
from roony.web.pages import is_form, only, render, render_form, render_with_script, style_sheet
from roony.web.requests import fields_of, read_body
from roony.web.session import CSRF_FIELD, check_csrf, csrf_token, session_text

log = structlog.get_logger("roony.reveal")

# Longest fields taken, in characters; a ticket is 43 long. What is longer is no ticket and no key.
LONGEST_TICKET, LONGEST_TOKEN = 128, 64
MAX_FORM = 1_024

_LONGEST = {"ticket": LONGEST_TICKET, "key": MAX_KEY_LENGTH, CSRF_FIELD: LONGEST_TOKEN}

STOPPING = Refusal("busy", "Roony takes no changes at this moment. The link is still good.", 503)


class _Page(NamedTuple):
    title: str
    next: str


_PAGES = {
    "malformed": _Page("This address is not valid", "Open the link again, as the agent gave it to you."),
    "link_over": _Page("This link no longer works", "Nothing was shown. The agent can ask for a new link."),
    "card_not_ready": _Page("This card cannot pay now", "Nothing was shown, and the link was not used up."),
    "delivery_not_allowed": _Page("Links are not allowed any more", "Nothing was shown. The owner's settings say why."),
    "not_fetched": _Page(
        "Stripe did not answer", "Nothing was shown, and the link is used up. The agent can ask for a new one."
    ),
}
_OTHER = _Page("This did not work now", "Nothing was shown. Wait a moment, then open the link again.")


def routes(context: FlowContext) -> list[Route]:
    """The routes to mount. No HEAD: what is only looked at needs no answer."""

    async def look(request: Request) -> Response:
        raw = request.scope["query_string"]
        query = fields_of(raw, {"ticket": LONGEST_TICKET}) if len(raw) <= MAX_FORM else None
        if not query:
            return _failed(MALFORMED_ADDRESS)
        link = await find_link(context, query["ticket"])
        return _failed(link) if isinstance(link, Refusal) else await _asking(request, link, query["ticket"], 200)

    async def show(request: Request) -> Response:
        body = await read_body(request, MAX_FORM)
        form = fields_of(body, _LONGEST) if is_form(request) else None
        if form is None or form.keys() not in ({"ticket", "key"}, {"ticket", CSRF_FIELD}):
            return _failed(MALFORMED_ADDRESS)
        link = await find_link(context, form["ticket"])
        if isinstance(link, Refusal):
            return _failed(link)
        try:
            if "key" in form:
                return await _open(request, context, link, form["ticket"], form["key"])
            return await _open_in_session(request, context, link, form)
        except Refused as error:
            return _failed(error.refusal)
        except (TillClosed, ConnectionLost):
            return _failed(STOPPING)

    async def style(_request: Request) -> Response:
        return style_sheet("reveal.css")

    return [
        only(LINK_PATH, look, "GET"), only(LINK_PATH, show, "POST"), only("/static/reveal.css", style, "GET"),
    ]  # fmt: skip


async def _open(request: Request, context: FlowContext, link: RevealLink, ticket: str, key: str) -> Response:
    """1 whose key it is · 2 a wrong one is counted, and the form shown again · 3 the link is spent, the card shown."""
    person = await who_may_reveal(request, link.organization_id, key)
    if person is None:
        counted = await count_wrong_key(context, link)
        if isinstance(counted, Refusal) or not counted.tries_left:
            return _failed(counted if isinstance(counted, Refusal) else LINK_OVER)
        return await _asking(request, counted, ticket, 403)
    return await _open_for(context, link, person)


async def _open_in_session(request: Request, context: FlowContext, link: RevealLink, form: dict[str, str]) -> Response:
    """1 a form of this session · 2 whose right ended meanwhile is asked for a key · 3 the link is spent."""
    session = session_text(request)
    person = await _signed_in(request, link)
    if session is None or person is None:
        return await _asking(request, link, form["ticket"], 403)
    check_csrf(request, session, form[CSRF_FIELD])
    return await _open_for(context, link, person)


async def _open_for(context: FlowContext, link: RevealLink, person: Caller) -> Response:
    """Everything is read before the link is spent: what fails afterwards would take the card's details along."""
    names = await run_in_threadpool(names_of, context.database, link.organization_id, [link.requested_by])
    revealed = await reveal(context, link, person.actor, person.authority)
    if isinstance(revealed, Refusal):
        return _failed(revealed)
    return _shown(revealed, names.get(link.requested_by, link.requested_by))


async def _signed_in(request: Request, link: RevealLink) -> Caller | None:
    """Who looks, if they are signed in and may see cards of this organization."""
    session = session_text(request)
    if session is None:
        return None
    try:
        caller = await caller_in_session(request, session, "reveal")
    except Refused:
        return None
    return caller if caller.organization_id == link.organization_id else None


async def _asking(request: Request, link: RevealLink, ticket: str, status: int) -> Response:
    """The form. Of the purchase it says nothing: whoever has the link is not yet known."""
    until = answers.time(link.expires_at) or ""
    session = session_text(request) if await _signed_in(request, link) is not None else None
    return render_form(
        "reveal/ask.html", status, ticket=ticket, until=f"{until[11:16]} UTC", action=LINK_PATH,
        tries_left=link.tries_left if link.wrong_keys else None, longest=MAX_KEY_LENGTH,
        csrf=csrf_token(session) if session is not None else None,
        sign_in=f"/sign-in?next={quote(f'{LINK_PATH}?ticket={ticket}', safe='')}",
    )  # fmt: skip


def _shown(revealed: Revealed, agent: str) -> Response:
    """The card, this once. Merchant and purpose are what an agent wrote: escaped, and named as such."""
    purchase, details = revealed.purchase, revealed.details
    facts = [
        ("Expires", f"{details.exp_month:02}/{details.exp_year}"), ("CVC", details.cvc),
        ("ZIP", details.billing_zip or "none"),
    ]  # fmt: skip
    about = [
        ("Purchase", purchase.id), ("Amount", format_amount(purchase.amount, purchase.currency)),
        ("Merchant", json.loads(purchase.merchant)["name"]), ("Agent", agent),
        ("Purpose, as the agent gave it", revealed.link.purpose),
    ]  # fmt: skip
    groups = [details.number[place : place + 4] for place in range(0, len(details.number), 4)]
    return render_with_script("reveal/card.html", 200, groups=groups, facts=facts, about=about)


def _failed(refusal: Refusal) -> Response:
    page = _PAGES.get(refusal.code, _OTHER)
    log.info("reveal.page", code=refusal.code, status=refusal.status)
    return render("reveal/failed.html", refusal.status, title=page.title, text=refusal.message, next=page.next)
