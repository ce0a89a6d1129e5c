"""Trying a set-up out: an agent asks for something small, and a merchant charges its card. Test mode only."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool

from roony.core.agent import Agent
from roony.core.money import exponent
from roony.flows.asking import ask
from roony.flows.card_making import make_card
from roony.flows.trial import CATEGORY, COUNTRY, pay_in_test_mode
from roony.store.queries.organizations import find_organization
from roony.web import shapes
from roony.web.admin_api.lists import get_row
from roony.web.admin_api.part import new_part
from roony.web.admin_api.purchases import show_purchase
from roony.web.agent_api import ASK_SECONDS, CARD_SECONDS, command_of
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import AskBody, MerchantBody
from roony.web.shape import gives

router = new_part("Purchases and cards")

# In major units of the organization's currency.
PRICE = 12


@router.post("/agents/{id}/test_purchase", **gives(shapes.PurchaseAnswer, 409, status=201))
async def make_test_purchase(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Let an agent ask for 12.00 of software at a test shop: its rules decide, budgets are held, a card is made.

    Test mode only. `test_payment` then charges the card as the shop would.
    """
    org = caller.organization_id
    agent = await get_row(context, Agent, org, id, "agent")
    organization = await run_in_threadpool(find_organization, context.database, org)
    wish = AskBody(
        amount=PRICE * 10 ** exponent(organization.currency), currency=organization.currency,
        description="A test purchase, to see how everything fits together",
        merchant=MerchantBody(name="Roony Test Shop", category=CATEGORY, country=COUNTRY),
        allow_duplicate=True, metadata={"tried_out_by": caller.actor},
    )  # fmt: skip
    command = replace(command_of(context, agent, wish, None), only_tried=True)
    asked = accepted(await ask(context, command, time.monotonic() + ASK_SECONDS, caller.authority))
    if asked.promise is not None:
        await make_card(context, asked.promise, CARD_SECONDS)
    return await show_purchase(context, org, asked.purchase.id)


@router.post("/purchases/{id}/test_payment", **gives(shapes.PurchaseAnswer, 409))
async def make_test_payment(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Charge a purchase's card as its merchant would: authorize and capture the whole amount. Test mode only.

    It is settled once Stripe has reported it, a moment later. Asking again does nothing twice.
    """
    accepted(await pay_in_test_mode(context, caller.organization_id, id))
    return await show_purchase(context, caller.organization_id, id)
