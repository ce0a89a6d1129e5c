"""Typed reading of what Stripe posts: the envelope of every event, and the fields of an authorization request."""

from __future__ import annotations

import re

import msgspec

from roony.core.authorization import AuthorizationRequest
from roony.core.duration import SECOND
from roony.core.merchant import LONGEST_FACT, Merchant, category_code
from roony.core.preflight import REALTIME


class _Data(msgspec.Struct, gc=False):
    object: msgspec.Raw


class Envelope(msgspec.Struct, gc=False):
    """What every event carries (facts section 5); the object itself stays raw until its type is known."""

    id: str
    type: str
    livemode: bool
    created: int
    data: _Data
    account: str | None = None


class _AmountDetails(msgspec.Struct, gc=False):
    cashback_amount: int | None = None


class _Pending(msgspec.Struct, gc=False):
    amount: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    is_amount_controllable: bool = False
    amount_details: _AmountDetails | None = None


class _Merchant(msgspec.Struct, gc=False):
    category: str | None = None
    category_code: str | None = None
    network_id: str | None = None
    name: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    url: str | None = None


class _Metadata(msgspec.Struct, gc=False):
    roony_card: str | None = None
    roony_organization: str | None = None


class _Card(msgspec.Struct, gc=False):
    id: str
    metadata: _Metadata | None = None


class _Network(msgspec.Struct, gc=False):
    transaction_id: str | None = None


class _Authorization(msgspec.Struct, gc=False):
    id: str
    amount: int
    card: _Card
    created: int
    merchant_data: _Merchant
    request_history: list[msgspec.Raw]
    pending_request: _Pending
    network_data: _Network | None = None


class _Object(msgspec.Struct, gc=False):
    id: str | None = None


_envelope = msgspec.json.Decoder(Envelope)
_authorization = msgspec.json.Decoder(_Authorization)
_object = msgspec.json.Decoder(_Object)

# Ids are opaque text; facts section 7.4 says to keep them as text of 255.
MAX_ID = 255
# What a database integer holds. A number beyond it is refused here: at the till it would undo a whole batch.
MAX_NUMBER = 2**63 - 1


def read_envelope(body: bytes) -> Envelope | None:
    """The envelope, or None when the body is not a Stripe event."""
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not envelope.id or len(envelope.id) > MAX_ID or len(envelope.type) > MAX_ID:
        return None
    if not 0 <= envelope.created * SECOND <= MAX_NUMBER:
        return None
    return envelope


# An event whose envelope cannot be read may still say what it is.
_SAYS_REQUEST = re.compile(rb'"type"\s*:\s*"%s"' % re.escape(REALTIME).encode())


def seems_request(body: bytes) -> bool:
    """True when a body that could not be read was meant as a real-time request: it is owed an answer all the same."""
    return _SAYS_REQUEST.search(body) is not None


def read_object_id(envelope: Envelope) -> str | None:
    """The id of the event's object, for finding events about one thing."""
    try:
        return _object.decode(envelope.data.object).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_request(envelope: Envelope) -> AuthorizationRequest:
    """The request (facts section 2.3). Raises msgspec.DecodeError or ValueError when a field is not as Stripe says."""
    item = _authorization.decode(envelope.data.object)
    pending, merchant = item.pending_request, item.merchant_data
    amounts = (pending.amount, item.amount, pending.merchant_amount)
    if min(amounts) < 0 or max(amounts) > MAX_NUMBER:
        raise ValueError("authorization amounts are never negative and fit into a database integer")
    if not 0 <= item.created * SECOND <= MAX_NUMBER:
        raise ValueError("an authorization's time fits into a database integer, in microseconds")
    if not item.id or len(item.id) > MAX_ID or len(item.card.id) > MAX_ID:
        raise ValueError("an id is missing or too long")
    texts = (merchant.name, merchant.url, merchant.country, merchant.network_id, merchant.city, merchant.state)
    if any(text is not None and len(text) > LONGEST_FACT for text in texts):
        raise ValueError("a text about the merchant is too long")
    code = merchant.category_code or category_code(merchant.category or "")
    cashback = pending.amount_details.cashback_amount if pending.amount_details else None
    # A probe's card is of no purchase and names none of our cards.
    written = item.card.metadata if item.card.metadata and item.card.metadata.roony_card else None
    return AuthorizationRequest(
        item.id,
        item.card.id,
        len(item.request_history),
        pending.amount,
        item.amount,
        pending.currency,
        pending.merchant_amount,
        pending.merchant_currency,
        Merchant(merchant.name or "", merchant.url, code, merchant.country, merchant.network_id),
        merchant.city,
        merchant.state,
        item.network_data.transaction_id if item.network_data else None,
        pending.is_amount_controllable,
        cashback or 0,
        item.created,
        written.roony_organization if written else None,
    )
