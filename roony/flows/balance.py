"""The Issuing balance as payments show it: Stripe declines one for want of money, or approves one again."""

from __future__ import annotations

from roony.core.money import format_amount
from roony.core.settlement import AuthorizationStatement
from roony.flows.alert import close_alert, raise_alert
from roony.store.book import Book

INSUFFICIENT_BALANCE = "insufficient_issuing_balance"
# Stripe's reason for a decline that Roony is never asked about (facts 2.1, 2.4).
INSUFFICIENT_FUNDS = "insufficient_funds"


def watch_balance(
    book: Book, organization_id: str, connection_id: str, said: AuthorizationStatement, now: int
) -> None:  # fmt: skip
    """Opens the alert once while payments fail for it, and closes it when one is approved.

    For a statement that tells something new. The command named the `alert_row` of the connection.
    """
    if not said.history:
        return
    newest = said.history[-1]
    if newest.approved:
        close_alert(book, organization_id, INSUFFICIENT_BALANCE, connection_id, now)
    elif newest.reason == INSUFFICIENT_FUNDS:
        amount = format_amount(newest.amount, said.currency)
        message = (
            f"Stripe declined a payment of {amount} because the account's Issuing balance is too small."
            " Add funds to it in the Stripe Dashboard (Balances, Issuing)."
        )
        raise_alert(book, organization_id, INSUFFICIENT_BALANCE, connection_id, message, now)
