"""A connection becomes active: account, mode and sealed tokens recorded, its cardholder promised, all in one commit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from roony.core.agent import Organization
from roony.core.app_token import AppTokens, fresh_pair
from roony.core.cardholder import DROPPED, REFUSED, Cardholder
from roony.core.confirmation import CONTRADICTED, OTHER_CARDS, Confirmation
from roony.core.connection import NEXT, STANDING, Connection, Seen, as_seen, lift
from roony.core.errors import Refusal, not_found
from roony.core.reconciliation import EVENTS_OVERLAP
from roony.flows.alert import alert_row, close_alert
from roony.flows.connection.access import own_account
from roony.flows.connection.account_status import PREFLIGHT, preflight_id
from roony.flows.connection.cardholder_rows import default_params, new_cardholder, want
from roony.flows.connection.restriction import follow_restrictions, restriction_rows
from roony.flows.connection.revocation import OVER, REVOKED, UNINSTALL, promise_cards_end
from roony.flows.connection.routing import (
    PENDING_LIFETIME,
    claim_route,
    direct_connections,
    read_connection,
    read_organization,
)
from roony.flows.context import FlowContext
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import LEASE, new_promise
from roony.store.rows import AccountRoute, ConnectionSecret
from roony.store.vault import row_name

# Link and state last 10 minutes each. Well below PENDING_LIFETIME, after which another organization may take the
# claim of a pending connection over: the two can then never meet.
OPEN_FOR = PENDING_LIFETIME // 2
ACCOUNT_TAKEN = Refusal(
    "account_taken", "This Stripe account belongs to another organization of this installation.", 409
)
START_AGAIN = Refusal("start_again", "This attempt to connect is over. Start again with a new link.", 409)


@dataclass(frozen=True, slots=True)
class ActivateConnection(Command[Connection | Refusal]):
    """Makes `connection_id` active. `started_id` is the pending row this attempt began with: the same one, or, when
    the account was connected before, another one that ends here while the earlier connection is resumed.

    `secrets` are (name, sealed token), asked for at `tokens_at` (microseconds). `replaces` is a dead default
    connection that this one takes the place of. `cardholder` is JSON, what its cardholder is made with unless it has
    one. `ends` are other direct connections, each with the id of a new promise, that end because the installation's
    key is of this account now.
    `seen` is what the account looked like just before: it may be restricted from the beginning.
    """

    organization_id: str
    connection_id: str
    started_id: str | None
    stripe_account: str
    livemode: bool
    scope: str | None
    currency: str
    cardholder: str
    secrets: tuple[tuple[str, str], ...] = field(repr=False)
    replaces: str | None
    promise_id: str
    actor: str
    ends: tuple[tuple[str, str], ...] = ()
    seen: Seen | None = None
    tokens_at: int = 0
    platform_account: str | None = None

    def needs(self, now: int) -> Needs:
        """The connections, the route that was claimed, the cardholder, the alerts, the choice about other cards."""
        ids = {self.connection_id, self.started_id, self.replaces, *(id for id, _ in self.ends)} - {None}
        rows: list[tuple[object, ...]] = [(Connection, self.organization_id, id) for id in sorted(filter(None, ids))]
        rows.append((AppTokens, self.organization_id, self.connection_id))
        route = (AccountRoute, self.stripe_account, int(self.livemode))
        choice = (Confirmation, self.organization_id, self.organization_id, OTHER_CARDS)
        over = [alert_row(self.organization_id, kind, self.connection_id) for kind in (REVOKED, UNINSTALL)]
        holder = (Cardholder, self.organization_id, self.connection_id, self.organization_id)
        restricted = restriction_rows(self.organization_id, self.connection_id)
        return Needs(rows=(*rows, route, *over, choice, holder, *restricted))

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """1 the account is claimed for this connection · 2 the attempt is still open · 3 activate, seal, promise."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        route = book.get(AccountRoute, self.stripe_account, int(self.livemode))
        if route is None or (route.organization_id, route.connection_id) != (self.organization_id, connection.id):
            return ACCOUNT_TAKEN
        started = book.get(Connection, self.organization_id, self.started_id) if self.started_id else None
        if started is not None and not _still_open(started, now):
            return START_AGAIN
        if connection.stripe_account is None and not _still_open(connection, now):
            return START_AGAIN
        if connection.stripe_account not in (None, self.stripe_account):
            return START_AGAIN
        # From here the activation must succeed: only writes below.
        if started is not None and started.id != connection.id:
            book.put(started._replace(status="expired", status_reason=f"resumed {connection.id}", updated_at=now))
        resumed = connection.stripe_account is not None
        missed = _missed_since(connection) if resumed else None
        connection = connection._replace(
            status="active",
            status_reason=None,
            stripe_account=self.stripe_account,
            livemode=int(self.livemode),
            scope=self.scope,
            currency=connection.currency if resumed else self.currency,
            updated_at=now,
            activated_at=now,
            platform_account=self.platform_account,
            catching_up_since=missed,
        )
        for name, sealed in self.secrets:
            book.put(ConnectionSecret(self.organization_id, connection.id, name, sealed, now))
        if connection.kind == "stripe_app":
            before = book.get(AppTokens, self.organization_id, connection.id)
            book.put(fresh_pair(before, self.organization_id, connection.id, self.tokens_at, now))
        self._promise_cardholder(book, connection, now)
        book.put(connection)
        for kind in (REVOKED, UNINSTALL):
            close_alert(book, self.organization_id, kind, connection.id, now)
        self._promise_preflight(book, connection, now)
        for other_id, promise_id in self.ends:
            self._end_other(book, other_id, promise_id, now)
        is_default = self._set_default(book)
        book.record(
            self.organization_id,
            self.actor,
            "connection.activated",
            connection.id,
            {
                "kind": connection.kind,
                "stripe_account": self.stripe_account,
                "livemode": self.livemode,
                "scope": self.scope,
                "currency": connection.currency,
                "resumed": resumed,
                "catching_up_since": missed,
                "default": is_default,
            },
            now,
        )
        return self._restricted(book, connection, now)

    def _restricted(self, book: Book, connection: Connection, now: int) -> Connection:
        """What restricted it is over, but for what only its owner can set right at Stripe; then comes what was seen."""
        chosen = book.get(Confirmation, self.organization_id, self.organization_id, OTHER_CARDS) is not None
        stays = set(CONTRADICTED.values())
        if not chosen and (self.seen is None or self.seen.other_cards is None):
            # Stripe did not say how many there are: no reason to think that they are gone.
            stays.add("other_cards_undecided")
        after = lift(connection, set(NEXT) - stays)
        if self.seen is not None:
            after = as_seen(after, self.seen, chosen, now)
        return follow_restrictions(book, connection, after, self.actor, now)

    def _promise_preflight(self, book: Book, connection: Connection, now: int) -> None:
        """Everything is looked at; the page in the owner's browser does it first, to show what came of it."""
        lease = LEASE if connection.kind != "direct" else 0
        id = preflight_id(connection)
        book.promise(new_promise(self.organization_id, id, PREFLIGHT, connection.id, {}, now, lease=lease))

    def _promise_cardholder(self, book: Book, connection: Connection, now: int) -> None:
        """The organization's own, unless it is there or promised already."""
        org = self.organization_id
        row = book.get(Cardholder, org, connection.id, org)
        if row is None:
            row = new_cardholder(org, connection.id, "organization", org, now)
        if row.stripe_cardholder_id is None and row.status in (REFUSED, DROPPED):
            want(book, row, json.loads(self.cardholder), self.promise_id, now)

    def _end_other(self, book: Book, other_id: str, promise_id: str, now: int) -> None:
        """Its account can no longer be asked: our key is another one's. Its cards end, those left open are flagged."""
        other = book.need(Connection, self.organization_id, other_id)
        if other.status not in STANDING or other.stripe_account == self.stripe_account:
            return
        reason = f"our key is of {self.stripe_account} now"
        book.put(other._replace(status="expired", status_reason=reason, updated_at=now))
        promise_cards_end(book, other, False, promise_id, now)
        body = {"reason": reason, "was": other.status, "stripe_account": other.stripe_account}
        book.record(self.organization_id, self.actor, "connection.expired", other.id, body, now)

    def _set_default(self, book: Book) -> bool:
        """The connection cards are made on: the first one, or the one that follows a dead one."""
        organization = book.need(Organization, self.organization_id)
        default = organization.connection_id
        if default == self.connection_id:
            return True
        if default is not None:
            if default != self.replaces:
                return False
            before = book.get(Connection, self.organization_id, default)
            if before is not None and before.status not in ("expired", "revoked"):
                return False
        book.put(organization._replace(connection_id=self.connection_id))
        return True


def _missed_since(connection: Connection) -> int | None:
    """From when on what happened at Stripe has to be fetched before a connection that is taken up approves again.

    While it was over Stripe told nothing of it, and may have approved alone what was left open there. One that was
    catching up goes on from the earlier moment.
    """
    if connection.status not in OVER:
        return connection.catching_up_since
    ended = max(0, connection.updated_at - EVENTS_OVERLAP)
    return ended if connection.catching_up_since is None else min(ended, connection.catching_up_since)


def _still_open(started: Connection, now: int) -> bool:
    """Pending and young enough; or there already, when two attempts resumed the same connection at once."""
    if started.status in STANDING:
        return True
    return started.status == "pending" and now - started.created_at < OPEN_FOR


@dataclass(frozen=True, slots=True)
class EndPending(Command[Connection | Refusal]):
    """An attempt to connect failed or was refused: its pending row ends, and nothing else changes."""

    organization_id: str
    connection_id: str
    reason: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The connection."""
        return Needs(rows=((Connection, self.organization_id, self.connection_id),))

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """Ends it if it is still pending."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        if connection.status != "pending":
            return connection
        connection = connection._replace(status="expired", status_reason=self.reason, updated_at=now)
        book.put(connection)
        book.record(
            self.organization_id, self.actor, "connection.not_connected", connection.id, {"reason": self.reason}, now
        )
        return connection


@dataclass(frozen=True, slots=True)
class Granted:
    """A Stripe account that may be acted for: its id and mode, the currency its cards are made in, how it was seen.

    `tokens` by name are those of an app, asked for at `tokens_at` in microseconds.
    """

    account: str
    livemode: bool
    currency: str
    seen: Seen | None
    scope: str | None = None
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens_at: int = 0


async def activate(context: FlowContext, started: Connection, granted: Granted, actor: str) -> Connection | Refusal:
    """1 claim the account · 2 seal the tokens for the connection that holds it · 3 activate it, or end `started`."""
    organization_id = started.organization_id
    route = await claim_route(context, organization_id, started.id, granted.account, granted.livemode)
    answer: Connection | Refusal
    if route.organization_id != organization_id:
        answer = ACCOUNT_TAKEN
    else:
        target = await read_connection(context, organization_id, route.connection_id)
        if target is not None and target.kind == started.kind:
            answer = await _submit(context, started, target, granted, actor)
        else:
            answer = Refusal(
                "account_taken",
                "This Stripe account is already connected here in another way.",
                409,
                id=route.connection_id,
            )
    if isinstance(answer, Refusal) and started.status == "pending":
        await context.till.submit(EndPending(organization_id, started.id, answer.code, actor))
    return answer


async def _submit(
    context: FlowContext, started: Connection, target: Connection, granted: Granted, actor: str
) -> Connection | Refusal:
    account, livemode = granted.account, granted.livemode
    organization = await read_organization(context, started.organization_id)
    if organization is None:
        return not_found("organization", started.organization_id)
    params = default_params(organization, target.id, livemode, granted.currency)
    if isinstance(params, Refusal):
        return params
    sealed = tuple(
        (name, context.vault.seal(token, row_name("connection_secrets", organization.id, target.id, name)))
        for name, token in granted.tokens.items()
    )
    started_id = started.id if started.status == "pending" else None
    others = await others_of_key(context, organization.id, account, livemode) if target.kind == "direct" else []
    platform_account = await own_account(context) if target.kind == "connect" else None
    return await context.till.submit(
        ActivateConnection(
            organization.id,
            target.id,
            started_id,
            account,
            livemode,
            granted.scope,
            granted.currency,
            json.dumps(params),
            sealed,
            organization.connection_id,
            context.new_id("out"),
            actor,
            tuple((other.id, context.new_id("out")) for other in others),
            granted.seen,
            granted.tokens_at,
            platform_account,
        )
    )


async def others_of_key(context: FlowContext, organization_id: str, account: str, livemode: bool) -> list[Connection]:
    """Direct connections of the organization to other accounts: the installation's key was theirs before."""
    directs = await asyncio.to_thread(direct_connections, context, livemode)
    return [
        direct
        for direct in directs
        if direct.organization_id == organization_id and direct.stripe_account != account and direct.status in STANDING
    ]


def card_currency(account: dict[str, object], fallback: str) -> str:
    """The currency of an account's Issuing program (facts 1.2): usd in the US, gbp in the UK, else eur."""
    country = account.get("country")
    if not isinstance(country, str):
        return fallback
    return {"US": "usd", "GB": "gbp"}.get(country, "eur")
