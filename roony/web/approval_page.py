"""The page behind a link in a message: it names an approval and gives no right to see or decide it.

Anybody with the link sees a form. Only an approver's own key, typed into it, shows what is asked; typed again it
decides. The key is sent as a POST and goes into no address, no cookie, no page and no log.
"""

from __future__ import annotations

from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roony.core.approval import Approval, current_status, too_late, what_was_done, what_was_shown
from roony.core.errors import Refusal, not_found
from roony.core.merchant import category_name
from roony.core.money import MAX_AMOUNT, decimal_text, format_amount, minor_units
from roony.flows import approving
from roony.flows.approval import Approver
from roony.flows.context import FlowContext
from roony.store.command import TillClosed
from roony.store.queries.paging import find
from roony.store.writer import ConnectionLost
from roony.web import answers
from roony.web.auth import MAX_KEY_LENGTH, Caller, caller_with
from roony.web.errors import Refused
from roony.web.pages import is_form, only, render, render_form, style_sheet
from roony.web.requests import fields_of, read_body

log = structlog.get_logger("roony.approval_page")

LINK_PATH = "/approve/{id}"
LONGEST_ID, LONGEST_AMOUNT, LONGEST_NOTE = 128, 20, 500
# A note of letters that a form writes as nine characters each, and the rest.
MAX_FORM = 8_192
_LONGEST = {"do": 10, "key": MAX_KEY_LENGTH, "amount": LONGEST_AMOUNT, "note": LONGEST_NOTE}
_TITLES = {"approved": "Approved", "denied": "Not approved", "partly_approved": "Your yes is written down"}

MALFORMED = Refusal("malformed", "This form was changed on its way, or is not complete.", 400)
STOPPING = Refusal("busy", "Roony takes no changes at this moment. Nothing was decided; try again.", 503)


def routes() -> list[Route]:
    """The routes to mount. No HEAD: what is only looked at needs no answer."""
    return [
        only(LINK_PATH, _look, "GET"), only(LINK_PATH, _sent, "POST"), only("/static/approve.css", _style, "GET"),
    ]  # fmt: skip


async def _style(_request: Request) -> Response:
    return style_sheet("approve.css")


async def _look(_request: Request) -> Response:
    """The same page whether or not there is such an approval: whoever looks is not yet known."""
    return _ask_for_key(200, None)


async def _sent(request: Request) -> Response:
    """1 a form of ours · 2 whose key, and may they decide · 3 an approval of theirs · 4 shown, or decided."""
    body = await read_body(request, MAX_FORM)
    form = fields_of(body, _LONGEST, frozenset({"note"})) if is_form(request) else None
    if form is None or not {"do", "key"} <= form.keys() or form["do"] not in ("look", "approve", "deny"):
        return _failed(MALFORMED)
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
        return _ask_for_key(error.refusal.status, _words(error.refusal))
    except (TillClosed, ConnectionLost):
        return _failed(STOPPING)


def _words(refusal: Refusal) -> str:
    """An agent that is given the link learns that it is no way for it."""
    if refusal.code == "wrong_kind_of_key":
        return "This is an agent's key. Agents never decide: a person must, with a key of their own."
    return refusal.message


async def _approval(context: FlowContext, caller: Caller, id: str) -> Approval | Refusal:
    found = await run_in_threadpool(find, context.database, Approval, caller.organization_id, id[:LONGEST_ID])
    return found or not_found("approval", id[:LONGEST_ID])


async def _decide(context: FlowContext, caller: Caller, row: Approval, form: dict[str, str]) -> Response:
    """A yes is always to an amount that stood in the form, so that nobody agrees to one they did not see."""
    approver = Approver(caller.actor, caller.user_id, caller.authority)
    org, note = caller.organization_id, form.get("note", "")
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
    now, seen = context.clock(), what_was_shown(row)
    currency, merchant = seen["currency"], seen["merchant"]
    over = too_late(row, now)
    amount = row.approved_amount if row.approved_amount is not None else seen["amount"]
    untrusted = seen["untrusted"]
    return render_form(
        "approve/decide.html", status, wrong=wrong, over=over.message if over is not None else None,
        facts=_facts(row, seen), reasons=[reason["message"] for reason in seen["reasons"]],
        merchant=[merchant["name"], *(merchant[name] for name in ("url", "country") if merchant.get(name))],
        category=category_name(merchant.get("category") or "") or merchant.get("category"),
        history=_history(seen.get("history")), budgets=_budgets(seen), first=_first(row, currency),
        description=untrusted["description"], metadata=list(untrusted["metadata"].items()),
        amount=decimal_text(amount, currency), currency=currency.upper(), longest=MAX_KEY_LENGTH,
        longest_note=LONGEST_NOTE, longest_amount=LONGEST_AMOUNT,
    )  # fmt: skip


def _facts(row: Approval, seen: dict[str, Any]) -> list[tuple[str, str]]:
    """The wish in short; amounts as people write them."""
    currency = seen["currency"]
    facts = [("Amount", format_amount(seen["amount"], currency))]
    if seen.get("previous_amount") is not None:
        facts.append(("Price before", format_amount(seen["previous_amount"], currency)))
    if seen.get("interval"):
        facts.append(("Paid", f"every {seen['interval']}, {seen['payments']} times"))
    if seen["hold_amount"] != seen["amount"]:
        facts.append(("Held, with tolerance", format_amount(seen["hold_amount"], currency)))
    facts += [("Agent", seen["agent"] or seen.get("agent_id", "")), ("Project", seen["project"] or "")]
    if seen.get("task_id"):
        facts.append(("Task, as the agent named it", seen["task_id"]))
    return [*facts, ("Purchase", row.purchase_id), ("Decide until", _clock(row.expires_at))]


def _history(history: dict[str, Any] | None) -> str:
    if history is None:
        return "not known"
    if history["new"]:
        return "nothing was bought there before"
    times = "once" if history["purchases"] == 1 else f"{history['purchases']} times"
    if history["last_at"] is None:
        return f"bought there {times}"
    last = format_amount(history["last_amount"], history["last_currency"])
    return f"bought there {times}, last for {last} on {_clock(history['last_at'])}"


def _budgets(seen: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for budget in seen["budgets"]:
        left, limit = (format_amount(budget[name], seen["currency"]) for name in ("available_after", "limit"))
        rows.append((f"{budget['scope'].capitalize()}, {budget['period']}", f"{left} of {limit}"))
    return rows


def _first(row: Approval, currency: str) -> str | None:
    if row.first_approved_by is None or row.approved_amount is None or row.status != "pending":
        return None
    return f"{row.first_approved_by} agreed to {format_amount(row.approved_amount, currency)}."


def _clock(at: int) -> str:
    text = answers.time(at) or ""
    return f"{text[:10]} {text[11:16]} UTC"


def _ask_for_key(status: int, wrong: str | None) -> Response:
    return render_form("approve/ask.html", status, wrong=wrong, longest=MAX_KEY_LENGTH)


def _failed(refusal: Refusal) -> Response:
    log.info("approval.page", code=refusal.code, status=refusal.status)
    return render("approve/done.html", refusal.status, title="This did not work", text=refusal.message, purchase=None)
