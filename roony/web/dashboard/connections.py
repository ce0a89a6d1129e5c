"""Connected Stripe accounts: what each lacks and what to do, what its owner confirms, its webhooks, and its end."""

from __future__ import annotations

from typing import NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from roony.core.connection import NEXT, STANDING, Connection, Restriction, restrictions_of
from roony.core.preflight import OK, Check, checks_of
from roony.flows.webhook_endpoint import webhook_url
from roony.store.database import Database
from roony.store.queries.connections import About, about_connections
from roony.store.queries.paging import Page, Slice, newest_first
from roony.web.connection_answers import NAMES
from roony.web.dashboard.view import View, page

# Where on the page the owner does what a check asks for; the others are mended at Stripe, or by who runs Roony.
_HERE = {
    **dict.fromkeys(
        ("webhook_endpoint", "webhook_events", "realtime_event", "webhook_version", "webhook_secret"),
        "Press “Set up webhooks”.",
    ),
    "realtime_url": "See it in the account's Issuing settings in the Stripe Dashboard, then confirm it here.",
    "timeout_declines": "See it in the account's Issuing settings in the Stripe Dashboard, then confirm it here.",
    "other_cards": "Choose here what becomes of payments with cards Roony did not make.",
    "other_cards_undecided": "Choose here what becomes of payments with cards Roony did not make.",
    "stripe_access": "Press “Look again” in a moment.",
    "reconnect_needed": "Connect the account again.",
    "probe": "See that Stripe has Roony's address below, press “Look again”, and mend what it finds.",
}


class Shown(NamedTuple):
    """A connection as the page shows it. `checks` are those that are not well, with what to do; None: not looked yet.

    `confirmed` are the names of what its owner confirmed and nothing contradicted, or chose.
    """

    row: Connection
    restrictions: list[tuple[Restriction, str | None]]
    checks: list[tuple[Check, str | None]] | None
    checked_at: int | None
    confirmed: dict[str, str]
    probe: list[tuple[Check, str | None]]
    standing: bool


class Way(NamedTuple):
    """A way to connect an account, and what it is for. `lacks` is the setting it needs and does not have."""

    kind: str
    name: str
    text: str
    lacks: str | None = None


def routes() -> list[Route]:
    """The page."""
    return [page("/connections", _connections)]


async def _connections(view: View) -> Response:
    some = await view.read(connections_page, view.slice())
    return view.page(
        "connections.html", "Connections", live=("connection",), connections=some.rows, pages=view.pages(some),
        ways=ways(view), address=webhook_url(view.context),
    )  # fmt: skip


def connections_page(database: Database, organization_id: str, wanted: Slice) -> Page[Shown]:
    """Connections, newest first."""
    page = newest_first(database, Connection, organization_id, wanted)
    about = about_connections(database, organization_id, [row.id for row in page.rows])
    return Page([_shown(row, about[row.id]) for row in page.rows], page.next_cursor, page.previous_cursor)


def _shown(row: Connection, about: About) -> Shown:
    looked, probed = about.checks.get("preflight"), about.checks.get("probe")
    confirmed = {
        name: one.value or ""
        for name, one in about.confirmations.items()
        if name in NAMES and one.confirmed_at is not None and one.contradicted_at is None
    }
    return Shown(
        row,
        [(one, _HERE.get(one.code, NEXT.get(one.code))) for one in restrictions_of(row)],
        None if looked is None else [_with_next(check) for check in checks_of(looked) if check.status != OK],
        None if looked is None else looked.checked_at,
        confirmed,
        [_with_next(check) for check in checks_of(probed)] if probed is not None else [],
        row.status in STANDING,
    )


def _with_next(check: Check) -> tuple[Check, str | None]:
    """What is well asks for nothing; an endpoint of somebody else's is not mended by making one more of ours."""
    if check.status == OK:
        return check, None
    if check.id == "webhook_version" and "setup-webhooks" not in (check.next or ""):
        return check, check.next
    return check, _HERE.get(check.id, check.next)


def ways(view: View) -> list[Way]:
    """How an account can be connected, those first that this installation is set up for."""
    whose = "the simulated" if view.request.app.state.options.simulate else "your"
    gateway = view.context.gateway
    found = [
        Way("connect", "Connect with Stripe", f"Opens {whose} Stripe, where you choose the account and agree.",
            None if gateway.connect_client_id else "STRIPE_CONNECT_CLIENT_ID"),
        Way("stripe_app", "Install the Stripe App", "For accounts that should grant single permissions only.",
            None if gateway.app_client_id else "STRIPE_APP_CLIENT_ID"),
        Way("direct", "Use the key's own account", "The account that STRIPE_SECRET_KEY belongs to. Nothing opens."),
    ]  # fmt: skip
    return sorted(found, key=lambda way: way.lacks is not None)
