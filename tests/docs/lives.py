"""The lives of what Roony keeps, found by trying: every fact that can come, given to the functions that derive a state.

A state is derived from facts, so there is no table of steps to draw from. Here a small purchase, an approval and a
connection meet everything that can happen to them, in every order, and `roony.core` says what they are afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from roony.core.approval import Approval, as_it_counts, current_status
from roony.core.authorization import FINAL_STATUSES, Authorization
from roony.core.card import OPEN_STATUSES, Card, derive_card_status
from roony.core.connection import NEXT, Connection, lift, restrict
from roony.core.purchase import Purchase, derive_status
from roony.core.settlement import AuthorizationStatement, HistoryEntry, is_newer, merge
from tests.core.rows import row
from tests.support.story import statement

# From a state (None: there was nothing) to the next, and what happened between them.
Step = tuple[str | None, str, str]


class Known(NamedTuple):
    """What is known of one purchase and its card."""

    status: str
    card: str | None = None
    ended: str | None = None
    captured: bool = False
    authorizations: tuple[tuple[str, bool], ...] = ()


def _purchase(known: Known) -> Purchase:
    return row(
        Purchase, status=known.status, ended_at=1 if known.ended else None, ended_reason=known.ended,
        captured=500 if known.captured else 0, card_id="crd_1" if known.card else None,
    )  # fmt: skip


def _rows(known: Known) -> list[Authorization]:
    return [
        row(Authorization, status=status, approved=1, card_check=0, amount=500, captured=500 if captured else 0)
        for status, captured in known.authorizations
    ]


def _derived(known: Known) -> Known:
    """As the core says it now: first the card, then the purchase."""
    if known.card is not None:
        card = row(Card, status=known.card, frozen_at=None)
        known = known._replace(card=derive_card_status(card, _rows(known), ended=known.ended is not None))
    return known._replace(status=derive_status(_purchase(known), known.card, _rows(known)))


def _ended(known: Known, reason: str) -> Known:
    card = known.card
    if card in OPEN_STATUSES and card != "used":
        card = "expired" if reason == "expired" else "canceled"
    return known._replace(ended=known.ended or reason, card=card)


def _asked(known: Known) -> Iterator[tuple[str, Known]]:
    """What people and agents do."""
    if known.status == "awaiting_approval":
        yield "a person says yes, and the rules still do", known._replace(status="issuing", card="creating")
        yield "a person says no, or the rules do by now", _ended(known, "declined")._replace(status="declined")
        yield "nobody decided in time", _ended(known, "expired")
    if known.status in ("awaiting_approval", "issuing", "ready"):
        yield "canceled, or the account is gone", _ended(known, "canceled")
    if known.card == "active":
        yield "frozen", known._replace(card="frozen")
    if known.card == "frozen":
        yield "unfrozen", known._replace(card="active")


def _told(known: Known) -> Iterator[tuple[str, Known]]:
    """What Stripe, the network and time do."""
    if known.card == "creating":
        yield "the card is made", known._replace(card="canceled" if known.ended else "active")
        yield "Stripe makes no card", _ended(known, "failed")._replace(card="canceled")
    if known.card in ("active", "frozen") and known.ended is None:
        yield "its time is over", _ended(known, "expired")
    if known.card not in (None, "creating") and len(known.authorizations) < 2:
        yield "a payment is approved", known._replace(authorizations=(*known.authorizations, ("pending", False)))
    for place, (status, captured) in enumerate(known.authorizations):
        others = [*known.authorizations[:place], *known.authorizations[place + 1 :]]
        if status not in FINAL_STATUSES:
            closed = known._replace(authorizations=(*others, ("closed", True)), captured=True)
            yield "captured", closed
            yield "Stripe says that it was not approved", known._replace(authorizations=tuple(others))
            for final in sorted(FINAL_STATUSES - {"closed"}):
                yield "reversed or run out", known._replace(authorizations=(*others, (final, False)))
        elif not captured:
            yield "captured all the same", known._replace(authorizations=(*others, (status, True)), captured=True)


def _explored(
    begun: Iterable[tuple[str, Any]], happenings: Callable[[Any], Iterable[tuple[str, Any]]]
) -> Iterator[tuple[str, Any, Any]]:
    """Every step that can be made from what something begins with."""
    waiting, seen = [known for _, known in begun], set()
    while waiting:
        known = waiting.pop()
        if known in seen:
            continue
        seen.add(known)
        for what, after in happenings(known):
            yield what, known, after
            waiting.append(after)


_BEGUN = (
    ("the rules say no", Known("declined")),
    ("a person decides", Known("awaiting_approval")),
    ("the rules say yes", Known("issuing", card="creating")),
)


def _everything(known: Known) -> Iterator[tuple[str, Known]]:
    if known.status != "declined":
        for what, after in [*_asked(known), *_told(known)]:
            yield what, _derived(after)


def purchase_steps() -> set[Step]:
    """Every step of a purchase that is paid once."""
    found: set[Step] = {(None, known.status, what) for what, known in _BEGUN}
    for what, before, after in _explored(_BEGUN, _everything):
        if before.status != after.status:
            found.add((before.status, after.status, what))
    return found


def card_steps() -> set[Step]:
    """Every step of its card."""
    found: set[Step] = set()
    for what, before, after in _explored(_BEGUN, _everything):
        if before.card != after.card and after.card is not None:
            found.add((before.card, after.card, what))
    return found


# Authorizations, as Stripe states them


def authorization_steps() -> set[Step]:
    """Every step of an authorization: what Stripe states next, as far as it says more than what is known."""
    words = {"closed": "captured", "reversed": "given back by the merchant", "expired": "not captured in time"}

    def said_of(status: str, movements: int, at: int) -> AuthorizationStatement:
        return statement(
            "iauth_1", "ic_1", status, 500, (HistoryEntry(True, "webhook_approved", 500),), at, (), movements
        )

    def happenings(known: Authorization) -> Iterator[tuple[str, Authorization]]:
        for status, what in words.items():
            seen = min(known.transactions_seen + (status == "closed"), 1)
            said = said_of(status, seen, known.statement_at + 1)
            if known.status != status and is_newer(said, known):
                yield what, merge(known, said, 1)._replace(statement_at=1)

    begun = merge(row(Authorization, id="iauth_1"), said_of("pending", 0, 1), 1)
    found: set[Step] = {(None, begun.status, "Roony, or Stripe alone, says yes")}
    for what, before, after in _explored([("", begun)], happenings):
        found.add((before.status, after.status, what))
    return found


# Approvals

_EXPIRES, _BEFORE, _AFTER = 10, 5, 15


def approval_steps() -> set[Step]:
    """Every step of an approval, with one person and with two."""
    first = Known("pending")  # `card` stands for whoever said the first yes, `ended` for the time being over

    def seen(known: Known) -> str:
        kept = row(Approval, status=known.status, expires_at=_EXPIRES, first_approved_by=known.card)
        return current_status(kept, _AFTER if known.ended else _BEFORE)

    def happenings(known: Known) -> Iterator[tuple[str, Known]]:
        if seen(known) == "pending":
            yield "the first of two says yes", known._replace(card="usr_1")
        if seen(known) in ("pending", "partly_approved"):
            yield "the last yes that is needed", known._replace(status="approved")
            yield "somebody says no, or the purchase is over", known._replace(status="denied")
            yield "nobody decided in time", known._replace(ended="expired")
        if seen(known) == "partly_approved":
            kept = row(Approval, status="pending", expires_at=_EXPIRES, first_approved_by="usr_1", first_approved_at=1)
            assert as_it_counts(kept, ()).first_approved_by is None
            yield "whoever said yes is no approver any more", known._replace(card=None)

    found: set[Step] = {(None, "pending", "a person decides")}
    for what, before, after in _explored([("", first)], happenings):
        if seen(before) != seen(after):
            found.add((seen(before), seen(after), what))
    return found


# Connections


def connection_steps() -> set[Step]:
    """Every step of a connection; what restricts it and what lifts that is the core's."""
    found: set[Step] = {
        (None, "pending", "a link is made"),
        ("pending", "active", "the account is connected"),
        ("pending", "expired", "the link was not used in time, or the account goes on as it was before"),
        ("active", "revoked", "disconnected, or Stripe says so"),
        ("restricted", "revoked", "disconnected, or Stripe says so"),
    }
    for code in NEXT:
        active = row(Connection, status="active", restrictions="{}")
        restricted = restrict(active, code, "", 1)
        found.add((active.status, restricted.status, "something is missing at Stripe"))
        found.add((restricted.status, lift(restricted, [code]).status, "nothing is missing any more"))
    return found
