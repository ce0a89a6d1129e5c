"""What every page of the dashboard has: who looks, in which organization, the menu, and how a refusal looks."""

from __future__ import annotations

import zoneinfo
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar
from urllib.parse import quote, urlencode

from markupsafe import Markup
from sqlalchemy import ColumnElement
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from roony.core.agent import Organization
from roony.core.budget import day_begin
from roony.core.duration import local_time
from roony.core.errors import Refusal
from roony.core.money import exponent, format_amount
from roony.core.notice import TYPES
from roony.core.role import may
from roony.core.user import User
from roony.flows.context import FlowContext
from roony.store.database import Database
from roony.store.queries.attention import Attention, attention
from roony.store.queries.organizations import find_organization
from roony.store.queries.paging import InvalidCursor, Page, Slice, find, newest_first
from roony.store.queries.sign_in import find_user
from roony.web.answers import time as written_time
from roony.web.auth import Caller, caller_in_session
from roony.web.dashboard.words import label, status_kind
from roony.web.errors import Refused, found
from roony.web.pages import HEADERS, only, render_page
from roony.web.session import csrf_token, drop_session, session_text
from roony.web.spending_report import read_day

P = ParamSpec("P")
Found = TypeVar("Found")
Row = TypeVar("Row", bound=tuple[Any, ...])

SIGN_IN = "/sign-in"
ROWS = 50
# What names a page of a list in its address.
_PLACES = ("cursor", "before")
# Longest value of a filter, in characters.
LONGEST_FILTER = 128
# Longest id in the path of a page, in characters: that of an agent with its task. Nothing longer is looked for.
LONGEST_ID = 256


class MenuItem(NamedTuple):
    """A page in the menu. `waiting` names the field of Attention shown beside it."""

    path: str
    title: str
    waiting: str | None = None


# The menu by its groups; a page is added here and nowhere else.
MENU: tuple[tuple[str, tuple[MenuItem, ...]], ...] = (
    (
        "",
        (
            MenuItem("/", "Overview"),
            MenuItem("/approvals", "Approvals", "approvals"),
            MenuItem("/purchases", "Purchases"),
            MenuItem("/transactions", "Transactions"),
            MenuItem("/cards", "Cards"),
        ),
    ),
    (
        "Rules",
        (
            MenuItem("/agents", "Agents"),
            MenuItem("/projects", "Projects"),
            MenuItem("/rules/organization", "For everyone"),
            MenuItem("/changes", "Changes", "changes"),
        ),
    ),
    (
        "Watch",
        (
            MenuItem("/discrepancies", "Discrepancies", "discrepancies"),
            MenuItem("/alerts", "Alerts", "alerts"),
            MenuItem("/events", "Events"),
            MenuItem("/audit", "Audit log"),
            MenuItem("/reports", "Reports"),
        ),
    ),
    (
        "Set up",
        (
            MenuItem("/connections", "Connections"),
            MenuItem("/users", "Users"),
            MenuItem("/settings", "Settings"),
        ),
    ),
)


class Pages(NamedTuple):
    """Where the other pages of a list are, with the same filters; None where there is none.

    `first` is given wherever the address names a place in the list: meanwhile something may have come before it.
    """

    first: str | None
    previous: str | None
    next: str | None


@dataclass(frozen=True, slots=True)
class View:
    """One look at a page: the request, who looks, and what all pages show."""

    request: Request
    context: FlowContext
    caller: Caller
    session: str
    user: User | None
    organization: Organization
    attention: Attention

    async def read(
        self, query: Callable[Concatenate[Database, str, P], Found], *args: P.args, **kwargs: P.kwargs
    ) -> Found:
        """The answer of a query of the store for this organization, read away from the event loop."""
        return await run_in_threadpool(query, self.context.database, self.caller.organization_id, *args, **kwargs)

    def may(self, permission: str) -> bool:
        """True if who looks may do this; for showing or hiding, the API decides."""
        return self.caller.role is not None and may(self.caller.role, permission)

    def filter(self, name: str, allowed: tuple[str, ...] = ()) -> str | None:
        """One value of the address, or None where it is missing, doubled, too long or not among `allowed`."""
        given = self.request.query_params.getlist(name)
        text = given[0].strip() if len(given) == 1 else ""
        if not text or len(text) > LONGEST_FILTER or not text.isprintable() or (allowed and text not in allowed):
            return None
        return text

    def day(self, name: str) -> date | None:
        """One day of the address, such as 2026-11-28, or None where it is missing or no day of these times."""
        return read_day(self.filter(name) or "")

    def between(self, column: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """The conditions for a time to lie on the days `from` to `to` of the address, in the organization's zone."""
        zone, first, last = self.organization.time_zone, self.day("from"), self.day("to")
        where = [] if first is None else [column >= day_begin(first, zone)]
        return where if last is None else [*where, column < day_begin(last + timedelta(days=1), zone)]

    def slice(self) -> Slice:
        """The page of a list that the address names: after `cursor`, or before `before`."""
        before = self.filter("before")
        return Slice(ROWS, before or self.filter("cursor"), backward=before is not None)

    @property
    def is_filtered(self) -> bool:
        """True if the address says more of a list than a page of it."""
        return any(name not in _PLACES for name in self.request.query_params)

    def pages(self, page: Page[Any]) -> Pages:
        """The addresses of a list's other pages, seen from this one."""

        def at(**place: str) -> str:
            kept = [(name, value) for name, value in self.request.query_params.items() if name not in _PLACES]
            query = urlencode([*kept, *place.items()])
            return f"{self.request.url.path}?{query}" if query else self.request.url.path

        return Pages(
            at() if self.slice().cursor is not None else None,
            at(before=page.previous_cursor) if page.previous_cursor is not None else None,
            at(cursor=page.next_cursor) if page.next_cursor is not None else None,
        )

    async def rows(
        self, row: type[Row], *where: ColumnElement[bool], most: int | None = None
    ) -> tuple[list[Row], Pages]:
        """A page of the organization's rows, newest first, and the addresses of the others.

        With `most` the newest of them, whatever page the address names.
        """
        wanted = self.slice() if most is None else Slice(most)

        def read(database: Database, organization_id: str) -> Page[Row]:
            return newest_first(database, row, organization_id, wanted, *where)

        found_ones = await self.read(read)
        return found_ones.rows, self.pages(found_ones)

    async def row(self, row: type[Row], what: str, id: str | None = None) -> Row:
        """The row of this id, or whose id stands in the address. Raises Refused (404) when there is none."""
        id = self.request.path_params["id"] if id is None else id

        def read(database: Database, organization_id: str) -> Row | None:
            return find(database, row, organization_id, id)

        return found(await self.read(read), what, id)

    def when(self, at: int | None, exact: bool = False) -> Markup:
        """A time in the organization's time zone, to the second when pointed at; a dash for none.

        `exact`: shown to the millisecond, where it is known that well.
        """
        if at is None:
            return Markup("&ndash;")
        moment = local_time(at, zoneinfo.ZoneInfo(self.organization.time_zone))
        clock = f"{moment:%H:%M:%S}" if exact else f"{moment:%H:%M}"
        clock += f".{moment.microsecond // 1000:03}" if exact and moment.microsecond else ""
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            written_time(at), moment.strftime("%Y-%m-%d %H:%M:%S %Z"), f"{moment.day} {moment:%b %Y}, {clock}"
        )

    def page(
        self, template: str, title: str, status: int = 200, live: tuple[str, ...] = (), here: str | None = None,
        **values: Any,
    ) -> Response:  # fmt: skip
        """A page from `templates/dashboard`. `live` are beginnings of notice types at which it is drawn again.

        `here` is the page of the menu that it is part of, where its own address does not say so.
        """
        types = [kind for kind in TYPES if kind.startswith(live)] if live else []
        return render_page(
            f"dashboard/{template}", status, view=self, title=title, menu=MENU, here=here or self.request.url.path,
            csrf=csrf_token(self.session), live=" ".join(types), money=format_amount, exponent=exponent,
            label=label, status_kind=status_kind, simulate=self.request.app.state.options.simulate, **values,
        )  # fmt: skip

    def problem(self, refusal: Refusal) -> Response:
        """What went wrong, on a page with the menu."""
        title = {403: "You may not see this", 404: "There is nothing here"}.get(refusal.status, "This did not work")
        return self.page("problem.html", title, refusal.status, message=refusal.message)


Handler = Callable[[View], Awaitable[Response]]


def page(path: str, handler: Handler, permission: str = "read") -> Route:
    """The route of a page for signed-in people with this permission; others are sent to sign in."""

    async def answer(request: Request) -> Response:
        session = session_text(request)
        if session is None:
            return to_sign_in(request)
        try:
            caller = await caller_in_session(request, session, "read")
        except Refused as error:
            if error.refusal.status != 401:
                raise
            response = to_sign_in(request)
            drop_session(request.app.state.context, response)
            return response
        view = await view_of(request, session, caller)
        if not view.may(permission):
            return view.problem(Refusal("role_too_low", f"Your role is {caller.role}. Ask an owner.", 403))
        if not all(len(part) <= LONGEST_ID and part.isprintable() for part in request.path_params.values()):
            return view.problem(Refusal("not_found", "There is nothing with this id.", 404))
        try:
            return await handler(view)
        except InvalidCursor:
            return view.problem(Refusal("invalid", "This page of the list is gone. Begin at its first page.", 404))
        except Refused as error:
            return view.problem(error.refusal)

    return only(path, answer, "GET")


async def view_of(request: Request, session: str, caller: Caller) -> View:
    """Who looks, and what all pages show."""
    context: FlowContext = request.app.state.context

    def read() -> tuple[User | None, Organization, Attention]:
        org = caller.organization_id
        user = find_user(context.database, org, caller.user_id) if caller.user_id else None
        return user, find_organization(context.database, org), attention(context.database, org)

    return View(request, context, caller, session, *await run_in_threadpool(read))


def to_sign_in(request: Request) -> Response:
    """Off to the sign-in page, and back here afterwards."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    next_part = "" if path == "/" else f"?next={quote(path, safe='')}"
    return RedirectResponse(f"{SIGN_IN}{next_part}", 303, HEADERS)


def is_own_path(text: str) -> bool:
    """True for a path of ours, that a sign-in may lead back to; never an address of somebody else's."""
    return text.startswith("/") and not text.startswith(("//", "/\\")) and text.isascii() and text.isprintable()
