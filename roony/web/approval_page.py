"""The page behind a link in a message: it names an approval and gives no right to see or decide it.

Approvers who are signed in go on to the dashboard. Anybody else with the link sees a form: only an approver's own key,
typed into it, shows what is asked; typed again it decides. The key is sent as a POST and goes into no address, no
cookie, no page and no log.
"""

from __future__ import annotations

from urllib.parse import quote

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from roony.core.approval import Approval, current_status, too_late, what_was_done, what_was_shown
from roony.core.card_data import without_secrets
from roony.core.errors import Refusal, not_found
from roony.core.money import MAX_AMOUNT, minor_units
from roony.flows import approving
from roony.flows.approval import Approver
from roony.flows.context import FlowContext
from roony.store.command import TillClosed
from roony.store.queries.approvals import find_approval
from roony.store.queries.names import names_of
from roony.store.writer import ConnectionLost
from roony.web import answers
from roony.web.asked import asked
from roony.web.auth import MAX_KEY_LENGTH, Caller, caller_in_session, caller_with
from roony.web.errors import MALFORMED_FORM, Refused
from roony.web.pages import HEADERS, is_form, only, render, render_form, style_sheet
from roony.web.requests import fields_of, read_body
from roony.web.session import session_text

log = structlog.get_logger("roony.approval_page")

LINK_PATH = "/approve/{id}"
LONGEST_ID, LONGEST_AMOUNT, LONGEST_NOTE = 128, 20, 500
# A note of letters that a form writes as nine characters each, and the rest.
MAX_FORM = 8_192
_LONGEST = {"do": 10, "key": MAX_KEY_LENGTH, "amount": LONGEST_AMOUNT, "note": LONGEST_NOTE}
_TITLES = {"approved": "Approved", "denied": "Not approved", "partly_approved": "Your yes is written down"}

STOPPING = Refusal("busy", "Roony takes no changes at this moment. Nothing was decided; try again.", 503)


def routes() -> list[Route]:
    """The routes to mount. No HEAD: what is only looked at needs no answer."""
    return [
        only(LINK_PATH, _look, "GET"), only(LINK_PATH, _sent, "POST"), only("/static/approve.css", _style, "GET"),
    ]  # fmt: skip


async def _style(_request: Request) -> Response:
    return style_sheet("approve.css")


async def _look(request: Request) -> Response:
    """The same page whether or not there is such an approval, unless who looks is signed in and may decide it."""
    id, session = request.path_params["id"][:LONGEST_ID], session_text(request)
    if session is not None and await _may_decide(request, session, id):
        return RedirectResponse(f"/approvals/{quote(id, safe='')}", 303, HEADERS)
    return _ask_for_key(id, 200, None)


async def _may_decide(request: Request, session: str, id: str) -> bool:
    try:
        caller = await caller_in_session(request, session, "approve")
    except Refused:
        return False
    return not isinstance(await _approval(request.app.state.context, caller, id), Refusal)


async def _sent(request: Request) -> Response:
    """1 a form of ours · 2 whose key, and may they decide · 3 an approval of theirs · 4 shown, or decided."""
    body = await read_body(request, MAX_FORM)
    form = fields_of(body, _LONGEST, frozenset({"note"})) if is_form(request) else None
    if form is None or not {"do", "key"} <= form.keys() or form["do"] not in ("look", "approve", "deny"):
        return _failed(MALFORMED_FORM)
    context: FlowContext = request.app.state.context
    try:
        caller = await caller_with(request, form["key"], "admin", "approve")
        row = await _approval(context, caller, request.path_params["id"])
        if isinstance(row, Refusal):
            return _failed(row)
        if form["do"] == "look":
            return await _shown(context, row, 200, None)
        return await _decide(context, caller, row, form)
    except Refused as error:
        log.info("approval.page", code=error.refusal.code, status=error.refusal.status)
        return _ask_for_key(request.path_params["id"], error.refusal.status, _words(error.refusal))
    except (TillClosed, ConnectionLost):
        return _failed(STOPPING)


def _words(refusal: Refusal) -> str:
    """An agent that is given the link learns that it is no way for it."""
    if refusal.code == "wrong_kind_of_key":
        return "This is an agent's key. Agents never decide: a person must, with a key of their own."
    return refusal.message


async def _approval(context: FlowContext, caller: Caller, id: str) -> Approval | Refusal:
    found = await run_in_threadpool(find_approval, context.database, caller.organization_id, id[:LONGEST_ID])
    return found or not_found("approval", id[:LONGEST_ID])


async def _decide(context: FlowContext, caller: Caller, row: Approval, form: dict[str, str]) -> Response:
    """A yes is always to an amount that stood in the form, so that nobody agrees to one they did not see."""
    approver = Approver(caller.actor, caller.user_id, caller.authority)
    org, note = caller.organization_id, without_secrets(form.get("note", ""))
    if form["do"] == "deny":
        decided = await approving.deny(context, org, row.id, approver, note)
    else:
        currency = what_was_shown(row)["currency"]
        try:
            amount = minor_units(form.get("amount", ""), currency)
        except ValueError as wrong:
            return await _shown(context, row, 422, f"The amount: {wrong}")
        if not 0 < amount <= MAX_AMOUNT:
            return await _shown(context, row, 422, "The amount must be more than nothing.")
        decided = await approving.approve(context, org, row.id, approver, note, amount)
    if isinstance(decided, Refusal):
        fresh = await _approval(context, caller, row.id)
        return await _shown(context, row if isinstance(fresh, Refusal) else fresh, decided.status, decided.message)
    return await _done(context, decided)


async def _done(context: FlowContext, row: Approval) -> Response:
    others = [user.name for user in await approving.second_people(context, row)]
    now = context.clock()
    title = _TITLES.get(current_status(row, now), "Too late")
    return render("approve/done.html", 200, title=title, text=what_was_done(row, now, others), purchase=row.purchase_id)


async def _shown(context: FlowContext, row: Approval, status: int, wrong: str | None) -> Response:
    """What is asked, and the form to decide it while it waits; what was decided, if it was."""
    over, names = too_late(row, context.clock()), await _names(context, row)
    wish = asked(row, names, _clock)
    wish.facts.append(("Decide until", _clock(row.expires_at)))
    return render_form(
        "approve/decide.html", status, wrong=wrong, over=over.message if over is not None else None, asked=wish,
        level=2, bar=None, longest=MAX_KEY_LENGTH, longest_note=LONGEST_NOTE, longest_amount=LONGEST_AMOUNT,
    )  # fmt: skip


async def _names(context: FlowContext, row: Approval) -> dict[str, str]:
    return await run_in_threadpool(names_of, context.database, row.organization_id, [row.first_approved_by])


def _clock(at: int) -> str:
    text = answers.time(at) or ""
    return f"{text[:10]} {text[11:16]} UTC"


def _ask_for_key(id: str, status: int, wrong: str | None) -> Response:
    back = quote(LINK_PATH.format(id=quote(id[:LONGEST_ID], safe="")), safe="")
    return render_form("approve/ask.html", status, wrong=wrong, longest=MAX_KEY_LENGTH, sign_in=f"/sign-in?next={back}")


def _failed(refusal: Refusal) -> Response:
    log.info("approval.page", code=refusal.code, status=refusal.status)
    return render("approve/done.html", refusal.status, title="This did not work", text=refusal.message, purchase=None)
