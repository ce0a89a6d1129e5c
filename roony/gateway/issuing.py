"""Stripe Issuing: cardholders, cards, authorizations, transactions, and the balance that funds them.

Every function takes the gateway and the connection it acts for, those that write an idempotency key as well,
and returns plain data. All raise the StripeCallFailed kinds of `errors`, and ValueError or WrongMode before
anything is sent when called wrongly. Facts: stripe-facts.md sections 1, 2.4, 3 and 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from roony.gateway.client import ConnectionAccess, PlainObject, StripeGateway, require_id
from roony.gateway.errors import FailureKind, StripeFailure, StripeRefused
from roony.gateway.paging import PageLimitReached, created_since, walk

FIND_CARDS_MAX_PAGES = 50
FIND_CARDS_CLOCK_MARGIN_SECONDS = 300
"""How far Stripe's clock may be behind ours before the look-up would miss a card."""

LIST_CARDHOLDERS_MAX_PAGES = 50
LIST_CARDS_MAX_PAGES = 50
OTHER_CARDS_MAX_PAGES = 5
LIST_AUTHORIZATIONS_MAX_PAGES = 50
LIST_TRANSACTIONS_MAX_PAGES = 50

NO_CARDHOLDER = "ich_none"
"""A cardholder that no account has."""

_CARDS = "/v1/issuing/cards"

CardStatus = Literal["active", "inactive"]


class UnsafeParameters(ValueError):
    """Parameters that Stripe would receive in another meaning than written; nothing was sent."""


@dataclass(frozen=True, slots=True)
class CardDetails:
    """The numbers that can be spent. Held only on the way to their reader: never stored, never logged (P6).

    `billing_zip` is the postal code of the cardholder, which is what merchants check; None when Stripe has
    none.
    """

    number: str = field(repr=False)
    cvc: str = field(repr=False)
    exp_month: int
    exp_year: int
    billing_zip: str | None


def create_cardholder(
    gateway: StripeGateway, access: ConnectionAccess, params: Mapping[str, Any], key: str
) -> PlainObject:
    """Makes a cardholder (section 1.1: the name is printed, so 24 letters at most and no digits)."""
    checked: Any = refuse_empty_lists(params)
    options = gateway.options(access, key)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.cardholders.create(checked, options))


def list_cardholders(gateway: StripeGateway, access: ConnectionAccess, created_gte: int) -> list[PlainObject]:
    """Every cardholder made since `created_gte` (Unix seconds): the look-up after an unsure create, by metadata.

    Raises PageLimitReached when there are more than LIST_CARDHOLDERS_MAX_PAGES pages.
    """
    filters = {"created": created_since(created_gte - FIND_CARDS_CLOCK_MARGIN_SECONDS)}
    options = gateway.options(access)

    def fetch(page: Any) -> PlainObject:
        return gateway.perform(lambda: gateway.sdk.v1.issuing.cardholders.list(page, options))

    return list(walk("cardholders", fetch, filters, max_pages=LIST_CARDHOLDERS_MAX_PAGES))


def update_cardholder(
    gateway: StripeGateway, access: ConnectionAccess, cardholder_id: str, params: Mapping[str, Any], key: str
) -> PlainObject:
    """Changes what may be changed of a cardholder; its name, type and metadata are none of it (section 1.1)."""
    require_id("cardholder_id", cardholder_id)
    checked: Any = refuse_empty_lists(params)
    options = gateway.options(access, key)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.cardholders.update(cardholder_id, checked, options))


def retrieve_cardholder(gateway: StripeGateway, access: ConnectionAccess, cardholder_id: str) -> PlainObject:
    """Reads one cardholder, with what Stripe requires of it."""
    require_id("cardholder_id", cardholder_id)
    options = gateway.options(access)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.cardholders.retrieve(cardholder_id, None, options))


def create_card(gateway: StripeGateway, access: ConnectionAccess, params: Mapping[str, Any], key: str) -> PlainObject:
    """Makes a card (section 1.2). Compare `spending_controls` in the answer with what was sent."""
    checked: Any = refuse_empty_lists(params)
    options = gateway.options(access, key)
    return gateway.perform(lambda: gateway.send("post", _CARDS, checked, options))


def retrieve_card(gateway: StripeGateway, access: ConnectionAccess, card_id: str) -> PlainObject:
    """One card, without number and CVC (section 1.3); StripeRefused NOT_FOUND when there is none."""
    require_id("card_id", card_id)
    options = gateway.options(access)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.cards.retrieve(card_id, None, options))


def find_cards(
    gateway: StripeGateway, access: ConnectionAccess, cardholder: str, created_gte: int, created_lte: int | None = None
) -> list[PlainObject]:
    """Every card of `cardholder` made between two moments (Unix seconds): the look-up after an unsure create.

    Stripe cannot filter by metadata (section 1.2), so the caller compares it. Raises PageLimitReached rather
    than return a part: "none found" permits making another card (promise P2). For the same reason it looks
    FIND_CARDS_CLOCK_MARGIN_SECONDS further back, and the caller waits before it asks: a create whose answer
    was not waited for may still be under way at Stripe.
    """
    require_id("cardholder", cardholder)
    since = created_gte - FIND_CARDS_CLOCK_MARGIN_SECONDS
    found = list_cards(
        gateway,
        access,
        cardholder=cardholder,
        created_gte=since,
        created_lte=created_lte,
        max_pages=FIND_CARDS_MAX_PAGES,
    )
    return list(found)


def list_cards(
    gateway: StripeGateway,
    access: ConnectionAccess,
    *,
    cardholder: str | None = None,
    status: str | None = None,
    created_gte: int | None = None,
    created_lte: int | None = None,
    max_pages: int = LIST_CARDS_MAX_PAGES,
    starting_after: str | None = None,
) -> Iterator[PlainObject]:
    """Cards, newest first; `created_…` in Unix seconds. Raises PageLimitReached when there is more."""
    filters = {"cardholder": cardholder, "status": status, "created": created_since(created_gte, created_lte)}
    options = gateway.options(access)

    def fetch(page: Any) -> PlainObject:
        return gateway.perform(lambda: gateway.sdk.v1.issuing.cards.list(page, options))

    return walk("cards", fetch, filters, max_pages=max_pages, starting_after=starting_after)


def count_other_cards(gateway: StripeGateway, access: ConnectionAccess) -> tuple[int, bool]:
    """How many active cards of the account were not made by a Roony, and whether there are more than were looked at.

    Roony's cards name their organization in the metadata. At most OTHER_CARDS_MAX_PAGES reads.
    """
    count = 0
    try:
        for card in list_cards(gateway, access, status="active", max_pages=OTHER_CARDS_MAX_PAGES):
            count += "roony_organization" not in (card.get("metadata") or {})
    except PageLimitReached:
        return count, True
    return count, False


def try_permissions(gateway: StripeGateway, access: ConnectionAccess) -> None:
    """Tries what Roony needs of an account, each in a way that has no effect; StripeForbidden names what is missing.

    Stripe looks at permissions before parameters: a card for a cardholder that does not exist, and a change of that
    cardholder, are refused as such where they would be allowed, and as forbidden where they would not.
    """
    options = gateway.options(access)
    nobody: Any = {"cardholder": NO_CARDHOLDER, "currency": "usd", "type": "virtual"}
    gateway.perform(lambda: gateway.sdk.v1.issuing.cards.list({"limit": 1}, options))
    gateway.perform(lambda: gateway.sdk.v1.issuing.cardholders.list({"limit": 1}, options))
    gateway.perform(lambda: gateway.sdk.v1.issuing.authorizations.list({"limit": 1}, options))
    gateway.perform(lambda: gateway.sdk.v1.issuing.transactions.list({"limit": 1}, options))
    with suppress(StripeRefused):
        gateway.perform(
            lambda: gateway.sdk.v1.issuing.cardholders.update(NO_CARDHOLDER, {"metadata": {"roony": "1"}}, options)
        )
    with suppress(StripeRefused):
        gateway.perform(lambda: gateway.sdk.v1.issuing.cards.create(nobody, options))


def update_card_status(
    gateway: StripeGateway, access: ConnectionAccess, card_id: str, status: CardStatus, key: str
) -> PlainObject:
    """Freezes (`inactive`) or unfreezes (`active`) a card, any number of times until it is canceled."""
    if status not in ("active", "inactive"):
        raise ValueError("a card is set active or inactive; canceling is cancel_card, and final")
    require_id("card_id", card_id)
    options = gateway.options(access, key)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.cards.update(card_id, {"status": status}, options))


def update_card_controls(
    gateway: StripeGateway, access: ConnectionAccess, card_id: str, controls: Mapping[str, Any], key: str
) -> PlainObject:
    """Replaces a card's spending controls: send all of them and compare those in the answer (section 10, trap 17)."""
    require_id("card_id", card_id)
    checked: Any = {"spending_controls": refuse_empty_lists(controls)}
    options = gateway.options(access, key)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.cards.update(card_id, checked, options))


def cancel_card(gateway: StripeGateway, access: ConnectionAccess, card_id: str, key: str) -> PlainObject:
    """Cancels a card for good. Authorizations opened before can still be captured (section 1.3)."""
    require_id("card_id", card_id)
    options = gateway.options(access, key)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.cards.update(card_id, {"status": "canceled"}, options))


def fetch_card_details(gateway: StripeGateway, access: ConnectionAccess, card_id: str) -> CardDetails:
    """Number, CVC, expiry and billing postal code of a virtual card (section 1.6).

    Raises StripeRefused DETAILS_WITHHELD when Stripe answers without number or CVC (a physical card in live
    mode, or a key without the permission).
    """
    require_id("card_id", card_id)
    options = gateway.options(access)
    path = f"{_CARDS}/{quote(card_id, safe='')}"
    card = gateway.perform(lambda: gateway.send("get", path, {"expand": ["number", "cvc"]}, options))
    number, cvc, month, year = (card.get(name) for name in ("number", "cvc", "exp_month", "exp_year"))
    if not (isinstance(number, str) and isinstance(cvc, str) and isinstance(month, int) and isinstance(year, int)):
        raise StripeRefused(
            StripeFailure(FailureKind.DETAILS_WITHHELD, 200, None, "Stripe sent the card without its details", None)
        )
    return CardDetails(number=number, cvc=cvc, exp_month=month, exp_year=year, billing_zip=_billing_zip(card))


def _billing_zip(card: PlainObject) -> str | None:
    """The postal code of the cardholder, who is always inlined in a card (section 1.3)."""
    part: Any = card
    for name in ("cardholder", "billing", "address", "postal_code"):
        part = part.get(name) if isinstance(part, dict) else None
    return part if isinstance(part, str) and part else None


def retrieve_authorization(gateway: StripeGateway, access: ConnectionAccess, authorization_id: str) -> PlainObject:
    """One authorization with its `request_history` and inlined `transactions` (section 2.4)."""
    require_id("authorization_id", authorization_id)
    options = gateway.options(access)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.authorizations.retrieve(authorization_id, None, options))


def list_authorizations(
    gateway: StripeGateway,
    access: ConnectionAccess,
    *,
    card: str | None = None,
    status: str | None = None,
    created_gte: int | None = None,
    max_pages: int = LIST_AUTHORIZATIONS_MAX_PAGES,
    starting_after: str | None = None,
) -> Iterator[PlainObject]:
    """Authorizations, newest first; `created_gte` in Unix seconds. Raises PageLimitReached when there is
    more.
    """
    filters = {"card": card, "status": status, "created": created_since(created_gte)}
    options = gateway.options(access)

    def fetch(page: Any) -> PlainObject:
        return gateway.perform(lambda: gateway.sdk.v1.issuing.authorizations.list(page, options))

    return walk("authorizations", fetch, filters, max_pages=max_pages, starting_after=starting_after)


def create_test_authorization(
    gateway: StripeGateway, access: ConnectionAccess, params: Mapping[str, Any], key: str
) -> PlainObject:
    """Lets Stripe's test helper ask for an authorization (section 8); it answers after the decision. Test mode only."""
    _refuse_live(access)
    checked: Any = refuse_empty_lists(params)
    options = gateway.options(access, key)
    return gateway.perform(lambda: gateway.sdk.v1.test_helpers.issuing.authorizations.create(checked, options))


def reverse_test_authorization(
    gateway: StripeGateway, access: ConnectionAccess, authorization_id: str, key: str
) -> PlainObject:
    """Lets the merchant of a test authorization give all of it back. Test mode only."""
    _refuse_live(access)
    require_id("authorization_id", authorization_id)
    options = gateway.options(access, key)
    helper = gateway.sdk.v1.test_helpers.issuing.authorizations
    return gateway.perform(lambda: helper.reverse(authorization_id, {}, options))


def capture_test_authorization(
    gateway: StripeGateway, access: ConnectionAccess, authorization_id: str, key: str
) -> PlainObject:
    """Lets the merchant of a test authorization take all of it. Test mode only."""
    _refuse_live(access)
    require_id("authorization_id", authorization_id)
    options = gateway.options(access, key)
    helper = gateway.sdk.v1.test_helpers.issuing.authorizations
    return gateway.perform(lambda: helper.capture(authorization_id, {}, options))


def _refuse_live(access: ConnectionAccess) -> None:
    if access.livemode:
        raise ValueError("test helpers are for test mode only")


def retrieve_transaction(gateway: StripeGateway, access: ConnectionAccess, transaction_id: str) -> PlainObject:
    """One Issuing transaction: a capture is negative, a refund positive (section 3.1)."""
    require_id("transaction_id", transaction_id)
    options = gateway.options(access)
    return gateway.perform(lambda: gateway.sdk.v1.issuing.transactions.retrieve(transaction_id, None, options))


def list_transactions(
    gateway: StripeGateway,
    access: ConnectionAccess,
    *,
    card: str | None = None,
    created_gte: int | None = None,
    max_pages: int = LIST_TRANSACTIONS_MAX_PAGES,
    starting_after: str | None = None,
) -> Iterator[PlainObject]:
    """Issuing transactions, newest first; `created_gte` in Unix seconds. Raises PageLimitReached when there
    is more.
    """
    filters = {"card": card, "created": created_since(created_gte)}
    options = gateway.options(access)

    def fetch(page: Any) -> PlainObject:
        return gateway.perform(lambda: gateway.sdk.v1.issuing.transactions.list(page, options))

    return walk("transactions", fetch, filters, max_pages=max_pages, starting_after=starting_after)


def issuing_balance(gateway: StripeGateway, access: ConnectionAccess, currency: str) -> int | None:
    """Minor units available to Issuing in `currency` (section 3.3); None when the account has no such
    balance.

    It may be negative: over-captures are always paid.
    """
    options = gateway.options(access)
    balance = gateway.perform(lambda: gateway.sdk.v1.balance.retrieve(None, options))
    rows = (balance.get("issuing") or {}).get("available") or []
    amounts = [int(row.get("amount") or 0) for row in rows if row.get("currency") == currency.lower()]
    return sum(amounts) if amounts else None


def retrieve_account(gateway: StripeGateway, access: ConnectionAccess) -> PlainObject:
    """The account acted for, with its `capabilities` (section 6.1); works alike for all three kinds of
    connection.
    """
    options = gateway.options(access)
    return gateway.perform(lambda: gateway.sdk.v1.accounts.retrieve_current(None, options))


def refuse_empty_lists(params: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """`params` as a dict; UnsafeParameters if a list, dict or None anywhere in them would be dropped by the
    SDK.

    `allowed_categories=[]` would be sent as nothing at all, which means "no restriction" (section 1.4, trap
    16). To clear a list at Stripe, send an empty string.
    """
    for name, value in params.items():
        where = f"{path}[{name}]" if path else name
        _refuse_empty(value, where)
    return dict(params)


def _refuse_empty(value: Any, where: str) -> None:
    if value is None or (isinstance(value, (list, tuple, Mapping)) and not value):
        raise UnsafeParameters(f"{where} is empty and would silently not be sent")
    if isinstance(value, Mapping):
        refuse_empty_lists(value, where)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _refuse_empty(item, f"{where}[{index}]")
