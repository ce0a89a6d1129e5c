"""Approvals: the queue of what waits for a person, with all they need to decide, and what was decided."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from roony.core.approval import WAITING, Approval, current_status, what_was_shown
from roony.core.duration import SECOND
from roony.core.errors import not_found
from roony.core.money import format_amount
from roony.store.queries.approvals import find_approval, past_approvals, waiting_approvals
from roony.store.queries.names import names_of
from roony.web.approval_page import LONGEST_ID, LONGEST_NOTE
from roony.web.asked import Asked, Left, asked
from roony.web.dashboard.charts import meter
from roony.web.dashboard.view import View, page
from roony.web.errors import Refused

# What else there is beside what waits; "all" is each of them.
PAST = ("approved", "denied", "expired", "all")


def routes() -> list[Route]:
    """The queue with the history, and one approval."""
    return [page("/approvals", _list), page("/approvals/{id}", _one)]


class Item(NamedTuple):
    """One approval as it is shown. `left` are the seconds in which it can be decided, `yes_by_me` whether who looks
    is the first of two who said yes, `decided` who decided what."""

    row: Approval
    asked: Asked
    status: str
    left: int
    yes_by_me: bool
    decided: list[tuple[str, str]]

    @property
    def waits(self) -> bool:
        """True while a person can decide."""
        return self.status in WAITING


async def _list(view: View) -> Response:
    status = view.filter("status", PAST)
    if status is None:
        found = await view.read(waiting_approvals, view.slice(), view.context.clock())
    else:
        found = await view.read(past_approvals, view.slice(), None if status == "all" else status)
    return view.page(
        "approvals.html", "Approvals", live=("approval",), items=await _items(view, found.rows), chosen=status,
        past=PAST, pages=view.pages(found), bar=_bar,
        longest_note=LONGEST_NOTE,
    )  # fmt: skip


async def _one(view: View) -> Response:
    id = view.request.path_params["id"][:LONGEST_ID]
    row = await view.read(find_approval, id)
    if row is None:
        raise Refused(not_found("approval", id))
    [item] = await _items(view, [row])
    return view.page("approval.html", "Approval", live=("approval",), item=item, bar=_bar, longest_note=LONGEST_NOTE)


async def _items(view: View, rows: list[Approval]) -> list[Item]:
    people = [id for row in rows for id in (row.first_approved_by, row.decided_by)]
    names, now = await view.read(names_of, people), view.context.clock()
    return [_item(view, row, names, now) for row in rows]


def _item(view: View, row: Approval, names: dict[str, str], now: int) -> Item:
    me = row.first_approved_by is not None and row.first_approved_by == view.caller.user_id
    return Item(
        row, asked(row, names, view.when), current_status(row, now), max(0, (row.expires_at - now) // SECOND), me,
        _decided(view, row, names),
    )  # fmt: skip


def _decided(view: View, row: Approval, names: dict[str, str]) -> list[tuple[str, str]]:
    """What became of it, once something did."""
    if row.status == "pending":
        return []
    facts = []
    if row.decided_by:
        facts.append(("Decided by", names.get(row.decided_by, row.decided_by)))
    if row.first_approved_by and row.first_approved_by != row.decided_by:
        facts.append(("First yes by", names.get(row.first_approved_by, row.first_approved_by)))
    facts.append(("When", view.when(row.decided_at or row.expires_at)))
    if row.approved_amount is not None and row.status == "approved":
        facts.append(("Approved amount", format_amount(row.approved_amount, what_was_shown(row)["currency"])))
    return [*facts, ("Note", row.note)] if row.note else facts


def _bar(left: Left) -> Markup:
    return meter(left.used, left.wished, left.limit, 1, f"{left.name}: {left.text}")
