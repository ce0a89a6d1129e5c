"""The seven tools: what each is called, says, takes, answers and does."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from roony.client import AsyncRoony, RoonyError, Unreachable
from roony.mcp_server import answers
from roony.mcp_server.arguments import (
    Arguments,
    GetArguments,
    NoArguments,
    PageArguments,
    PurchaseArguments,
    RequestArguments,
    WishArguments,
    minor_units,
    purchase_id,
    read,
    recurring,
)
from roony.mcp_server.refusals import NotRequested

# A purchase in one of these may change without the agent.
WAITING = frozenset({"awaiting_approval", "issuing"})
# How often progress is told of, in seconds.
PROGRESS_SECONDS = 5.0
# How long Roony may take to answer at all, in seconds: below the 60 after which clients of MCP give a call up.
ANSWER_SECONDS = 50.0
# How much later than was asked for the answer of a wait may come.
GRACE_SECONDS = 3.0
REQUEST_PREFIX = "mcp-"

# Tells the caller how many seconds of how many are over, and what is waited for.
Progress = Callable[[float, float, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: whom it speaks for, and how it tells progress (None: nobody listens)."""

    roony: AsyncRoony
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Hints:
    """What a host may tell its person beforehand; each has to hold for every call of the tool."""

    reads_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. `run` answers, or raises BadArgument, NotRequested or RoonyError."""

    name: str
    title: str
    description: str
    takes: type[Arguments]
    gives: type[answers.Answer]
    hints: Hints
    run: Callable[[Call, Any], Awaitable[answers.Answer]]

    async def answer(self, call: Call, given: Mapping[str, Any]) -> answers.Answer:
        """The answer to these arguments. Raises BadArgument, and RoonyError or NotRequested for what Roony refuses."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS + GRACE_SECONDS):
                return await self.run(call, read(self.takes, given))
        except TimeoutError:
            raise Unreachable("unreachable", "Roony has not answered in time.") from None


async def _request_purchase(call: Call, given: RequestArguments) -> answers.Answer:
    """1 ask, or find what the same wish has made before · 2 wait for a person or the card, within patience."""
    until = time.monotonic() + given.wait_seconds
    request_id = f"{REQUEST_PREFIX}{uuid.uuid4().hex}" if given.request_id is None else given.request_id
    row, replayed, made_by = await _ask(call, given, request_id)
    left = until - time.monotonic()
    if row["status"] in WAITING and left > 0:
        # What goes wrong now changes nothing about the purchase: it is shown as it was, and can be followed.
        with suppress(RoonyError, TimeoutError):
            async with asyncio.timeout(left + GRACE_SECONDS):
                row = await _wait(call, row["id"], until, given.wait_seconds)
    return answers.requested(row, replayed, made_by)


async def _ask(call: Call, given: RequestArguments, request_id: str) -> tuple[Any, bool, str | None]:
    """The purchase, whether it was there already, and the request that made it, if that is known."""
    wish = _wish(given)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                row: Any = await call.roony.request_purchase(**wish, idempotency_key=request_id)
            except RoonyError as error:
                # A repetition is taken for one only where the agent gave no name that says otherwise.
                if error.code != "possible_duplicate" or error.id is None or given.request_id is not None:
                    raise
                try:
                    return await call.roony.get_purchase(error.id), True, None
                except RoonyError:
                    # A key that may only ask cannot look: it is told which one is there already.
                    raise error from None
            return row, row["replayed"], request_id
    except TimeoutError:
        raise NotRequested(Unreachable("unreachable", "Roony has not answered in time."), request_id) from None
    except RoonyError as error:
        raise NotRequested(error, request_id) from None


async def _preview_purchase(call: Call, given: WishArguments) -> answers.Answer:
    return answers.preview(await call.roony.preview_purchase(**_wish(given)))


async def _get_purchase(call: Call, given: GetArguments) -> answers.Answer:
    id = purchase_id(given.purchase_id)
    row = await _wait(call, id, time.monotonic() + given.wait_seconds, given.wait_seconds)
    details: Any = None
    if given.card_purpose is not None and row["status"] == "ready":
        details = await call.roony.get_card(id, purpose=given.card_purpose)
    return answers.purchase(row, details)


async def _cancel_purchase(call: Call, given: PurchaseArguments) -> answers.Answer:
    return answers.purchase(await call.roony.cancel_purchase(purchase_id(given.purchase_id)))


async def _check_budget(call: Call, _given: NoArguments) -> answers.Answer:
    return answers.budgets(await call.roony.check_budget())


async def _get_spending_controls(call: Call, _given: NoArguments) -> answers.Answer:
    return answers.spending_controls(await call.roony.get_spending_controls())


async def _list_transactions(call: Call, given: PageArguments) -> answers.Answer:
    return answers.transactions(await call.roony.list_transactions(limit=given.limit, cursor=given.cursor))


async def _wait(call: Call, id: str, until: float, patience: float) -> Any:
    """The purchase once it waits for nobody, or as it is when the time is over."""
    while True:
        left = max(0.0, until - time.monotonic())
        turn = left if call.progress is None else min(left, PROGRESS_SECONDS)
        row = await call.roony.get_purchase(id, wait=turn)
        left = until - time.monotonic()
        if row["status"] not in WAITING or left <= 0:
            return row
        if call.progress is not None:
            waits_for = "a person decides" if row["status"] == "awaiting_approval" else "the card is being made"
            await call.progress(patience - left, patience, f"{id}: {waits_for}.")


def _wish(given: WishArguments) -> dict[str, Any]:
    """A wish as the client takes it. Raises BadArgument for an amount that is none."""
    amount, currency = minor_units(given.amount, given.currency)
    merchant = {
        "name": given.merchant, "url": given.merchant_url, "category": given.merchant_category,
        "country": given.merchant_country,
    }  # fmt: skip
    return {
        "amount": amount, "currency": currency, "description": given.description,
        "merchant": {name: text for name, text in merchant.items() if text is not None},
        "task_id": given.task_id, "project_id": given.project_id, "merchant_lock": given.merchant_lock,
        "allow_duplicate": given.allow_duplicate, "recurring": recurring(given.repeat_every, given.payments),
        "metadata": given.metadata,
    }  # fmt: skip


TOOLS = (
    Tool(
        "request_purchase", "Request a purchase",
        "Ask to buy one thing from one merchant. The owner's rules and budgets decide at once, or a person does. If it"
        " is allowed, you get a virtual card that only this merchant can charge, up to this amount, for a short time."
        " Look at `status`: ready (pay now), awaiting_approval or issuing (follow it with get_purchase), declined (see"
        " `decision.reasons`); `next_step` says what to do. Give the full price with tax and shipping. Use one"
        " request_id for each thing you buy and repeat it after an error: the same request_id never buys twice. Without"
        " one, the same merchant, amount, currency and task within the duplicate window (about 15 minutes) gives the"
        " purchase that is there already, with replayed true.",
        RequestArguments, answers.RequestedPurchase, Hints(open_world=True), _request_purchase,
    ),
    Tool(
        "get_purchase", "Look at a purchase",
        "A purchase as it is now. With wait_seconds it answers as soon as a person has decided or the card is made."
        " With card_purpose, and only then, it hands out the card's details once the purchase is ready: each time is"
        " recorded and there are 5 times a purchase, so ask for them when you are about to pay.",
        # Not read-only: with card_purpose it uses up a delivery and leaves an audit record.
        GetArguments, answers.Purchase, Hints(open_world=True), _get_purchase,
    ),
    Tool(
        "cancel_purchase", "Cancel a purchase",
        "Give up a purchase that is not paid yet, for good: its card is canceled and its budget is free again."
        " Canceling it again does no harm.",
        PurchaseArguments, answers.Purchase, Hints(destructive=True, idempotent=True, open_world=True),
        _cancel_purchase,
    ),
    Tool(
        "check_budget", "See what is left",
        "Every budget your purchases draw on, by scope (organization, project, agent, task) and period, with its limit,"
        " what is held and spent, and what is available. A purchase needs room in all of them. Null: tracked, not"
        " limited.",
        NoArguments, answers.Budgets, Hints(reads_only=True, idempotent=True), _check_budget,
    ),
    Tool(
        "list_transactions", "List payments and refunds",
        "What merchants have charged and given back on your purchases, newest first.",
        PageArguments, answers.Transactions, Hints(reads_only=True, idempotent=True), _list_transactions,
    ),
    Tool(
        "get_spending_controls", "See the rules",
        "The owner's rules for your purchases in plain sentences: `in_force` is what counts and which level set it,"
        " `levels` what each level says by itself. Only the owner can change them.",
        NoArguments, answers.SpendingControls, Hints(reads_only=True, idempotent=True), _get_spending_controls,
    ),
    Tool(
        "preview_purchase", "Try a purchase",
        "What would be decided about a purchase right now, and why. Nothing is bought, held, counted or written, and"
        " nobody is asked. A later request_purchase may be decided differently.",
        WishArguments, answers.Preview, Hints(reads_only=True, idempotent=True), _preview_purchase,
    ),
)  # fmt: skip
BY_NAME = {tool.name: tool for tool in TOOLS}
