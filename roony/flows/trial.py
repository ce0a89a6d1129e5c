"""The merchant's part of a purchase that is only tried out: Stripe's test helpers charge its card. Test mode only.

Nothing is booked here: Stripe asks Roony and reports what became of it, as with any payment. Both calls name the
purchase as their idempotency key, so whoever asks again after a crash goes on where the first try ended.
"""

from __future__ import annotations

import asyncio

from roony.core.connection import NOT_CONNECTED, untriable
from roony.core.errors import Refusal, not_found
from roony.core.merchant import Merchant, category_name
from roony.core.purchase import Purchase
from roony.flows.connection import ask_gently
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.stripe_failure import told
from roony.gateway import issuing
from roony.gateway.errors import StripeCallFailed
from roony.gateway.pool import GatewayBusy
from roony.store.queries.purchases import find_purchase

# What Stripe's helper takes for a merchant whose own trade or country nobody named.
CATEGORY, COUNTRY = "computer_software_stores", "US"


async def pay_in_test_mode(context: FlowContext, organization_id: str, purchase_id: str) -> Purchase | Refusal:
    """1 a purchase with a card, in test mode · 2 the merchant asks for the money · 3 and takes it."""
    view = await asyncio.to_thread(find_purchase, context.database, organization_id, purchase_id)
    if view is None:
        return not_found("purchase", purchase_id)
    purchase, card = view.purchase, view.card
    connection = await read_connection(context, organization_id, purchase.connection_id or "")
    problem = untriable(connection)
    if connection is None or problem is not None:
        return problem or NOT_CONNECTED
    if purchase.status not in ("ready", "authorized") or card is None or card.stripe_card_id is None:
        return Refusal("wrong_status", f"The purchase is {purchase.status}: no card waits to be charged.", 409)
    merchant = Merchant.from_json(purchase.merchant)
    wish = {
        "card": card.stripe_card_id, "amount": purchase.amount,
        "merchant_data": {
            "name": merchant.name, "country": merchant.country or COUNTRY,
            "category": category_name(merchant.category or "") or CATEGORY,
        },
    }  # fmt: skip
    key = f"test-payment:{purchase.id}"
    try:
        asked = await ask_gently(context, connection, issuing.create_test_authorization, wish, key)
        if not asked["approved"]:
            # Stripe tells of the newest request last; of none at all where it declined before it asked anybody.
            history = asked["request_history"]
            reason = history[-1]["reason"] if history else "no reason given"
            return Refusal("payment_declined", f"The payment was declined: {reason}. See the purchase for why.", 409)
        await ask_gently(context, connection, issuing.capture_test_authorization, asked["id"], f"{key}:capture")
    except (StripeCallFailed, GatewayBusy) as error:
        why = told(error)
        return Refusal(why.code, why.message, 503 if why.retry_can_help else 409)
    return purchase
