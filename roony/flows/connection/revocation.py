"""The end of a connection: by Stripe's word or the owner's. No new money from that commit on; then its cards end."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.app_token import AppTokens, no_pair
from roony.core.connection import Connection
from roony.core.duration import SECOND
from roony.core.errors import Refusal, not_found
from roony.flows.alert import alert_row, close_alert, raise_alert
from roony.flows.connection.restriction import ALERT as RESTRICTED
from roony.flows.connection.restriction import connected_again
from roony.flows.context import FlowContext
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import new_promise
from roony.store.rows import ConnectionSecret

# A statement that the access ended, older than this before the connection became active, is about the time before.
STATEMENT_MARGIN = 60 * SECOND
KIND = "end_cards_of_connection"
# The alert that tells everybody that a connection is over.
REVOKED = "connection_revoked"
# And the one that asks the owner for what no API does (facts 6.3).
UNINSTALL = "app_to_uninstall"
TOKENS = ("access_token", "refresh_token")
OVER = ("revoked", "expired")
ALREADY_RECONNECTED = Refusal(
    "already_reconnected", "That was said before the connection became active; it stays as it is.", 409
)


def promise_cards_end(book: Book, connection: Connection, access_left: bool, promise_id: str, now: int) -> None:
    """Promises the end of the cards of a connection that is over. `access_left`: Stripe still lets us cancel them."""
    params = {"access_left": access_left}
    book.promise(new_promise(connection.organization_id, promise_id, KIND, connection.id, params, now))


def token_needs(organization_id: str, connection_id: str) -> Needs:
    """A connection, its tokens, and the alerts that it is over, restricted, or still to be uninstalled."""
    secrets = tuple((ConnectionSecret, organization_id, connection_id, name) for name in TOKENS)
    alerts = tuple(alert_row(organization_id, kind, connection_id) for kind in (REVOKED, RESTRICTED, UNINSTALL))
    pair = (AppTokens, organization_id, connection_id)
    return Needs(rows=((Connection, organization_id, connection_id), *secrets, pair, *alerts))


def erase_tokens(book: Book, connection: Connection, now: int) -> None:
    """Overwrites the tokens; the command named `token_needs`."""
    for name in TOKENS:
        secret = book.get(ConnectionSecret, connection.organization_id, connection.id, name)
        if secret is not None and secret.sealed:
            book.put(secret._replace(sealed="", updated_at=now))
    pair = book.get(AppTokens, connection.organization_id, connection.id)
    if pair is not None:
        book.put(no_pair(pair))


def revoke(
    book: Book, connection: Connection, reason: str, actor: str, promise_id: str, now: int, access_left: bool = False
) -> Connection:
    """Revokes a connection inside a command that named `token_needs`; a revoked one stays as it is.

    Asks and authorizations are refused from this commit on, and the end of the cards is promised. `access_left` says
    that Stripe still lets us cancel them, and that it is then to be given back; the tokens are erased after that, and
    without it in this commit.
    """
    if not access_left or connection.stripe_account is None:
        erase_tokens(book, connection, now)
        close_alert(book, connection.organization_id, UNINSTALL, connection.id, now)
    if connection.status == "revoked":
        return connection
    was = connection.status
    connection = connection._replace(status="revoked", status_reason=reason, updated_at=now)
    book.put(connection)
    if connection.stripe_account is not None:
        promise_cards_end(book, connection, access_left, promise_id, now)
    book.record(
        connection.organization_id,
        actor,
        "connection.revoked",
        connection.id,
        {"reason": reason, "was": was, "stripe_account": connection.stripe_account},
        now,
    )
    if connection.stripe_account is not None:
        message = f"The Stripe account {connection.stripe_account} is no longer connected: {reason}. Its cards end."
        message = f"{message} Connect it again to go on."
        raise_alert(book, connection.organization_id, REVOKED, connection.id, message, now)
    close_alert(book, connection.organization_id, RESTRICTED, connection.id, now)
    return connection


@dataclass(frozen=True, slots=True)
class RevokeConnection(Command[Connection | Refusal]):
    """The access ended: `account.application.deauthorized`, Stripe's account-access error, or the owner's wish.

    `stated_at` is when Stripe said so (microseconds): an event that was on its way while the owner connected again
    must not end the new connection. None means now. `asked_for` is the connection as it was when Stripe was asked.
    """

    organization_id: str
    connection_id: str
    reason: str
    actor: str
    promise_id: str
    stated_at: int | None = None
    access_left: bool = False
    asked_for: Connection | None = None

    def needs(self, now: int) -> Needs:
        """The connection and its tokens."""
        return token_needs(self.organization_id, self.connection_id)

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """Revokes it once; ALREADY_RECONNECTED when that is about the time before it became active."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        stated_at = now if self.stated_at is None else self.stated_at
        if connection.status != "revoked" and stated_at < _active_since(book, connection) - STATEMENT_MARGIN:
            return ALREADY_RECONNECTED
        if connected_again(connection, self.asked_for):
            return ALREADY_RECONNECTED
        return revoke(book, connection, self.reason, self.actor, self.promise_id, now, self.access_left)


def _active_since(book: Book, connection: Connection) -> int:
    """When the connection last became active. Of an older row that is not known: its tokens tell, or when it began."""
    if connection.activated_at is not None:
        return connection.activated_at
    found = [book.get(ConnectionSecret, connection.organization_id, connection.id, name) for name in TOKENS]
    return max([secret.updated_at for secret in found if secret is not None], default=connection.created_at)


async def disconnect(
    context: FlowContext, organization_id: str, connection_id: str, actor: str, by: Authority | None = None
) -> Connection | Refusal:
    """The owner's disconnect: asks are refused at once; the worker then cancels the cards and gives the access back."""
    return await context.till.submit(
        RevokeConnection(
            organization_id,
            connection_id,
            "disconnected by the owner",
            actor,
            context.new_id("out"),
            None,
            True,
        ),
        by=by,
    )
