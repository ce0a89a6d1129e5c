"""What time it is at Stripe, to find out whether our own clock is wrong: signatures are good for five minutes only."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import stripe

from roony.gateway.client import StripeGateway


def stripe_time(gateway: StripeGateway) -> float | None:
    """Unix seconds by the Date header of Stripe's answer, a refusal included; None when nothing answered."""
    try:
        headers = gateway.sdk.raw_request("get", "/v1/account", max_network_retries=0).headers
    except stripe.StripeError as error:
        headers = error.headers
    date = next((value for name, value in (headers or {}).items() if name.lower() == "date"), None)
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
