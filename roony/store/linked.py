"""Captures and refunds that hang together: by their card, their network transaction id or their purchase.

Which purchase a refund belongs to depends on all of these, so they are loaded and looked at as one piece. Such a piece
is small: one card, one purchase, what the network numbered alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from roony.core.card import Card
from roony.core.settlement import StripeTransaction
from roony.store.book import Book

# Steps from one place to the next, at most. Ids of the network lead from one purchase to another in two.
MAX_ROUNDS = 12


class StripeCardNeed(NamedTuple):
    """Names a card by Stripe's id, and through it its purchase with everything that belongs to it."""

    organization_id: str
    connection_id: str
    stripe_card_id: str


class Node(NamedTuple):
    """A place at which captures and refunds hang: all with this value in this column (see `book.GROUPED_BY`)."""

    organization_id: str
    column: str
    value: str


def rows_at(book: Book, nodes: Iterable[Node]) -> list[StripeTransaction]:
    """The captures and refunds at these places, as far as they are in the book."""
    found = {
        row.id: row
        for org, column, value in nodes
        if book.known_group(StripeTransaction, (org, value), column)
        for row in book.group(StripeTransaction, org, value, column)
    }
    return list(found.values())


def cards_of(rows: Iterable[StripeTransaction]) -> set[StripeCardNeed]:
    """The cards they were made on."""
    return {StripeCardNeed(row.organization_id, row.connection_id, row.stripe_card_id) for row in rows}


def neighbours(book: Book, rows: Iterable[StripeTransaction]) -> set[Node]:
    """The places all of these hang at."""
    found = set()
    for row in rows:
        values = {
            "purchase_id": row.purchase_id,
            "stripe_card_id": row.stripe_card_id,
            "network_transaction_id": row.network_transaction_id,
        }
        found |= {Node(row.organization_id, column, value) for column, value in values.items() if value}
        home = purchase_of_card(book, row)
        if home is not None:
            found.add(Node(row.organization_id, "purchase_id", home))
    return found


def purchase_of_card(book: Book, row: StripeTransaction) -> str | None:
    """The purchase whose card a capture or refund was made on, if it is a card of ours."""
    card_id = book.stripe_cards.get((row.organization_id, row.connection_id, row.stripe_card_id))
    return book.need(Card, row.organization_id, card_id).purchase_id if card_id is not None else None


def hang_together(book: Book, nodes: Iterable[Node]) -> tuple[list[StripeTransaction], set[str]]:
    """All captures and refunds that hang together with these places, in order of their ids, and their purchases.

    As far as they were loaded: a chain longer than `MAX_ROUNDS` is looked at in part.
    """
    found: dict[str, StripeTransaction] = {}
    seen: set[Node] = set()
    new = _loaded(book, nodes)
    for _ in range(MAX_ROUNDS):
        if not new:
            break
        seen |= new
        rows = rows_at(book, new)
        found |= {row.id: row for row in rows}
        new = _loaded(book, neighbours(book, rows)) - seen
    purchases = {node.value for node in seen if node.column == "purchase_id"}
    return [row for _, row in sorted(found.items()) if row.purchase_id in (None, *purchases)], purchases


def _loaded(book: Book, nodes: Iterable[Node]) -> set[Node]:
    return {node for node in nodes if book.known_group(StripeTransaction, (node[0], node.value), node.column)}
