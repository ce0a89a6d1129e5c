"""What the network asks and what we answer: every check of an authorization, in order, as one pure function."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from roony.core.agent import Agent, Organization, Project, frozen_scope, takes_unknown_card
from roony.core.budget import have_room
from roony.core.connection import Connection
from roony.core.control import Controls, country_passes
from roony.core.merchant import Merchant
from roony.core.merchant_check import category_fits, is_approved_merchant, is_blocked, is_monitored, still_allowed

if TYPE_CHECKING:
    from roony.core.budget import Budget
    from roony.core.card import Card
    from roony.core.mandate import Payment
    from roony.core.purchase import Purchase

# The version our answers are written for; Stripe reads an answer without one as webhook_error (facts section 2.2).
STRIPE_VERSION = "2026-10-28.endive"
# An authorization in any other state, also one unknown here, is pending: states are added (facts section 10, trap 28).
FINAL_STATUSES = frozenset({"closed", "reversed", "expired"})
# Requests up to this many minor units are card checks when the purchase is for more (design section 7, facts 1.5).
CARD_CHECK_LIMIT = 100
# Card checks a mandate's card may get between two payments, in one interval; each is a row with a hold of its own.
MOST_CHECKS = 20

CODES = [
    "CARD_UNKNOWN",
    "CARD_NOT_ACTIVE",
    "CARD_EXPIRED",
    "CARD_USED",
    "FROZEN",
    "CONNECTION_INACTIVE",
    "CURRENCY_MISMATCH",
    "CATEGORY_MISMATCH",
    "COUNTRY_MISMATCH",
    "MERCHANT_MISMATCH",
    "RENEWAL_TOO_EARLY",
    "OVER_HOLD",
    "PRICE_CHANGED",
    "RULES_CHANGED",
    "OVER_BUDGET",
    "LATE",
    "STALE",
    "UNREADABLE",
    "BUSY",
]


class Authorization(NamedTuple):
    """What is known of one authorization. Amounts in minor units of `currency`, times in microseconds UTC.

    `history_length` is the longest request_history known, one longer than seen while our own answer waits to be
    confirmed (`provisional`). `card_check` says that it began as one and Stripe told of no more on it; `is_check` looks
    at our own answer too. `transactions_seen` and `final` rank statements (section 8). `history` is that
    request_history as Stripe last told it, JSON `[[approved, reason, amount], …]`; `finals` JSON `{status: [ids]}`, the
    transactions that every final statement of that status listed; `seen_at` when Stripe last told us of it. `began_at`
    is when it began at Stripe, 0 while that is not told; `payment` the payment of a mandate that our answer put it on,
    below 0 the one that it has because Stripe approved it alone. `three_d_secure` is Stripe's word of its outcome.
    """

    organization_id: str
    id: str
    connection_id: str
    purchase_id: str | None
    card_id: str | None
    stripe_card_id: str
    status: str
    approved: int
    provisional: int
    card_check: int
    amount: int
    captured: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    merchant: str
    network_transaction_id: str | None
    history_length: int
    transactions_seen: int
    final: int
    statement_at: int
    created_at: int
    updated_at: int
    history: str = "[]"
    finals: str = "{}"
    seen_at: int = 0
    began_at: int = 0
    payment: int = 0
    three_d_secure: str = ""

    @property
    def is_check(self) -> bool:
        """True while all that was approved on it is a card check, our own answer included while that counts."""
        return bool(self.card_check) and self.amount <= CARD_CHECK_LIMIT


class AuthorizationDecision(NamedTuple):
    """Our answer to one request, kept under (authorization, ordinal, amount) so that a repeat gets the same answer.

    `answered` is `approved` or `declined`: what the door really sent, as far as known. `decided_in` is how long it took
    from the request's arrival until it was decided, in microseconds, before its commit; None where nobody measured it.
    """

    organization_id: str
    authorization_id: str
    ordinal: int
    amount: int
    id: str
    purchase_id: str | None
    approved: int
    approved_amount: int
    code: str
    answered: str
    at: int
    decided_in: int | None = None


class AuthorizationRequest(NamedTuple):
    """One `issuing_authorization.request`, as far as the answer depends on it (facts section 2.3).

    `amount` is `pending_request.amount`, what is asked on top; `granted` the request's top-level amount; `ordinal` the
    length of `request_history`. `created` is seconds since 1970 UTC. `made_for` is the organization that Roony wrote
    on the card when it made it.
    """

    authorization_id: str
    stripe_card_id: str
    ordinal: int
    amount: int
    granted: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    merchant: Merchant
    city: str | None
    state: str | None
    network_transaction_id: str | None
    controllable: bool
    cashback_amount: int
    created: int
    made_for: str | None = None


class Verdict(NamedTuple):
    """Approve or not, how much (minor units), the code (None when approved); `flags` are mismatches let by."""

    approved: bool
    amount: int
    code: str | None
    flags: tuple[str, ...] = ()


class MandateFacts(NamedTuple):
    """What else a verdict depends on for a mandate's card.

    `payment` is the one this request would be booked on, None where it needs a hold of its own; `part` the purchase as
    if that payment were all of it. `budgets` are (budget, held, spent) of the chain in their periods of now.
    `committed` is what all other authorizations of the mandate and captures without one have committed, in minor units;
    `checks` how many other card checks were approved in this interval, `open_check` whether one of more than 0 is open.
    """

    payment: Payment | None
    part: Purchase
    budgets: tuple[tuple[Budget, int, int], ...]
    committed: int
    checks: int
    open_check: bool


class AuthorizationFacts(NamedTuple):
    """Everything a verdict depends on besides the request. `committed_elsewhere` leaves this authorization out, and of
    a mandate everything on other payments.

    `aliases` and `pinned_network_ids` are what the organization has learned of the approved merchant.
    """

    organization: Organization
    project: Project | None
    agent: Agent | None
    connection: Connection | None
    controls: tuple[Controls, ...]
    card: Card | None
    purchase: Purchase | None
    known: Authorization | None
    committed_elsewhere: int
    approved_merchant: Merchant | None
    aliases: tuple[str, ...]
    pinned_network_ids: frozenset[str]
    mandate: MandateFacts | None = None


def is_card_check(request: AuthorizationRequest, purchase: Purchase) -> bool:
    """A merchant looking whether the card is good: at most 1.00 and less than the purchase is for."""
    asked = request.granted + request.amount
    return asked <= CARD_CHECK_LIMIT and asked < purchase.amount


def is_increment(request: AuthorizationRequest, known: Authorization | None) -> bool:
    """More on an authorization we approved and that is still pending. A card check that grows into a payment is not."""
    if known is None or not known.approved or known.status in FINAL_STATUSES or request.ordinal == 0:
        return False
    return not known.is_check or max(known.amount, request.granted) + request.amount <= CARD_CHECK_LIMIT


def judge(request: AuthorizationRequest, facts: AuthorizationFacts, now: int) -> Verdict:
    """Answers one request; `now` in microseconds UTC. Checks in the order of design section 7; the first hit counts."""
    if facts.known is not None and facts.known.history_length > request.ordinal:
        return _decline("STALE")
    if facts.card is None or facts.purchase is None:
        taken = takes_unknown_card(facts.organization, request.made_for)
        return Verdict(True, request.amount, None) if taken else _decline("CARD_UNKNOWN")
    if frozen_scope(facts.organization, facts.project, facts.agent):
        return _decline("FROZEN")
    if facts.connection is None or not facts.connection.approves:
        return _decline("CONNECTION_INACTIVE")
    if facts.card.frozen_at is not None or facts.card.fraud_warning is not None:
        return _decline("CARD_NOT_ACTIVE")
    increment = is_increment(request, facts.known)
    flags: tuple[str, ...] = ()
    if not increment:
        code = _card_code(request, facts, now) or _currency_code(request, facts) or _place_code(request, facts)
        if code:
            return _decline(code)
        if is_blocked(facts.controls, facts.approved_merchant, request.merchant):
            return _decline("MERCHANT_MISMATCH")
        if not _merchant_fits(request, facts):
            if not is_monitored(facts.purchase.merchant_lock, facts.controls):
                return _decline("MERCHANT_MISMATCH")
            flags = ("merchant_mismatch",)
    if facts.mandate is None:
        return _room(request, facts, increment, flags)
    return _mandate_room(request, facts, facts.mandate, increment, flags, now)


def _decline(code: str) -> Verdict:
    return Verdict(False, 0, code)


def _card_code(request: AuthorizationRequest, facts: AuthorizationFacts, now: int) -> str | None:
    card, purchase = facts.card, facts.purchase
    if card is None or purchase is None:
        return "CARD_UNKNOWN"
    if card.status in ("creating", "frozen", "canceled") or (
        card.status == "active" and card.stripe_status == "canceled"
    ):
        return "CARD_NOT_ACTIVE"
    if card.status == "expired" or now >= card.expires_at:
        return "CARD_EXPIRED"
    if purchase.ended_at is not None:
        return "CARD_NOT_ACTIVE"
    if card.status == "used" and not is_card_check(request, purchase):
        return "CARD_USED"
    return None


def _currency_code(request: AuthorizationRequest, facts: AuthorizationFacts) -> str | None:
    card = facts.card
    if card is None or request.currency != card.currency:
        return "CURRENCY_MISMATCH"
    return None if currency_passes(facts.controls, request.merchant_currency, card.currency) else "CURRENCY_MISMATCH"


def currency_passes(controls: Iterable[Controls], merchant_currency: str, card_currency: str) -> bool:
    """True for a merchant in the card's currency, or in any where every scope that says something allows that."""
    if merchant_currency == card_currency:
        return True
    said = [scoped.foreign_currency for scoped in controls if scoped.foreign_currency is not None]
    return bool(said) and all(word == "allow" for word in said)


def _place_code(request: AuthorizationRequest, facts: AuthorizationFacts) -> str | None:
    if not category_fits(facts.controls, facts.approved_merchant, request.merchant.category):
        return "CATEGORY_MISMATCH"
    if not all(country_passes(controls, request.merchant.country) for controls in facts.controls):
        return "COUNTRY_MISMATCH"
    return None


def _merchant_fits(request: AuthorizationRequest, facts: AuthorizationFacts) -> bool:
    if facts.approved_merchant is None:
        return False
    places = tuple(word for word in (request.city, request.state, request.merchant.country) if word)
    return is_approved_merchant(
        facts.approved_merchant, facts.aliases, facts.pinned_network_ids, request.merchant, places
    )


def _room(request: AuthorizationRequest, facts: AuthorizationFacts, increment: bool, flags: tuple[str, ...]) -> Verdict:
    """How much of the ask fits into the hold beside what is committed, this authorization with its larger figure."""
    if facts.purchase is None:
        return _decline("CARD_UNKNOWN")
    mine = _mine(request, facts.known)
    if facts.purchase.held + facts.purchase.captured < facts.purchase.hold_amount:
        # The hold was given back, and others may have taken it: no answer takes it again, however small.
        return _decline("OVER_HOLD")
    return _fit(request, facts.purchase.hold_amount - facts.committed_elsewhere - mine, increment, flags, "OVER_HOLD")


def _mandate_room(
    request: AuthorizationRequest,
    facts: AuthorizationFacts,
    mandate: MandateFacts,
    increment: bool,
    flags: tuple[str, ...],
    now: int,
) -> Verdict:
    """The room for a request on a mandate's card: one payment in each interval, each with a hold of its own.

    What belongs to a payment that is there, the first or one that is increased, must fit into its hold. A renewal must
    fit into the hold asked for and that hold into every budget of now; a card check between payments only its amount.
    All of them together stay within what the card has at Stripe.
    """
    purchase, card = facts.purchase, facts.card
    if purchase is None or card is None:
        return _decline("CARD_UNKNOWN")
    if not increment and _is_too_early(request, purchase, mandate, now):
        return _decline("RENEWAL_TOO_EARLY")
    if mandate.payment is not None:
        verdict = _room(request, facts._replace(purchase=mandate.part), increment, flags)
    else:
        verdict = _renewal_room(request, facts, mandate, purchase, flags)
    if verdict.approved and mandate.committed + _mine(request, facts.known) + verdict.amount > card.hard_limit:
        return _decline("OVER_HOLD")
    return verdict


def _is_too_early(request: AuthorizationRequest, purchase: Purchase, mandate: MandateFacts, now: int) -> bool:
    """This interval is paid. A card check of more than nothing may be captured as well, so it counts like a payment.

    Between payments one such check may be open at a time, and all checks of an interval have their limit.
    """
    paid, check = now < (purchase.next_payment_from or 0), is_card_check(request, purchase)
    if check and mandate.payment is None and mandate.checks >= MOST_CHECKS:
        return True
    if not check or request.granted + request.amount == 0:
        return paid and not check
    return paid or (mandate.payment is None and mandate.open_check)


def _renewal_room(
    request: AuthorizationRequest,
    facts: AuthorizationFacts,
    mandate: MandateFacts,
    purchase: Purchase,
    flags: tuple[str, ...],
) -> Verdict:
    """The room for what needs a hold of its own: in the hold asked for, and for that hold in every budget of now."""
    verdict = Verdict(True, request.amount, None, flags)
    if not is_card_check(request, purchase):
        if not still_allowed(facts.controls, purchase.amount, facts.approved_merchant):
            return _decline("RULES_CHANGED")
        room = purchase.hold_amount - _mine(request, facts.known)
        verdict = _fit(request, room, False, flags, "PRICE_CHANGED")
    hold = renewal_hold(request, purchase)
    if not verdict.approved or hold == 0:
        return verdict
    unbudgeted = bool(facts.organization.unbudgeted)
    if not have_room(mandate.budgets, purchase.currency, hold, unbudgeted=unbudgeted):
        return _decline("OVER_BUDGET")
    return verdict


def renewal_hold(request: AuthorizationRequest, purchase: Purchase) -> int:
    """What is set aside for a request on a mandate's card that needs a hold of its own, in minor units."""
    return request.granted + request.amount if is_card_check(request, purchase) else purchase.hold_amount


def _mine(request: AuthorizationRequest, known: Authorization | None) -> int:
    """What this authorization has already: the larger of our record and what the request says was granted."""
    if known is None:
        return request.granted
    return max(request.granted, known.captured, known.amount if known.approved else 0)


def _fit(request: AuthorizationRequest, room: int, increment: bool, flags: tuple[str, ...], code: str) -> Verdict:
    """All of the ask, a part where the merchant can take less, or a decline with `code`."""
    if request.amount <= room:
        return Verdict(True, request.amount, None, flags)
    if request.controllable and not increment and room >= 1 and room >= request.cashback_amount:
        return Verdict(True, room, None, flags)
    return _decline(code)
