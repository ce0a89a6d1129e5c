"""Connected accounts for tests: made, asked for what was told of them, and refused."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

BANK = {
    "object": "bank_account",
    "country": "US",
    "currency": "usd",
    "account_number": "000123456789",
    "routing_number": "110000000",
}
CARD = {"object": "card", "number": "4000056655665556", "exp_month": 12, "exp_year": 2040, "currency": "usd"}


def made(client: stripe.StripeClient, **params: Any) -> Any:
    """A connected account that may issue."""
    asked = {"card_issuing": {"requested": True}, "transfers": {"requested": True}}
    return client.v1.accounts.create({"capabilities": asked, **params})  # type: ignore[typeddict-item]


def told(client: stripe.StripeClient, account: str, *kinds: str) -> list[dict[str, Any]]:
    """The events of a connected account of some kinds, oldest first."""
    events = client.v1.events.list({"limit": 100}, {"stripe_account": account}).data
    return [event.to_dict() for event in reversed(events) if event.type in kinds]


def refused(call: Any, *parameters: Any, status: int = 400) -> Any:
    """The error of a call that must be refused."""
    with pytest.raises(stripe.StripeError) as error:
        call(*parameters)
    assert error.value.http_status == status
    return error.value
