"""What an agent can ask of Roony, each call described once for both clients."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal, cast

from roony.client.answers import (
    Budget,
    CardDetails,
    Merchant,
    OpenedCard,
    Page,
    Preview,
    Purchase,
    PurchaseStatus,
    Receipt,
    Recurring,
    RequestedPurchase,
    SpendingControls,
    Transaction,
)
from roony.client.errors import RoonyError
from roony.client.exchange import ANSWER_SECONDS, MAX_TRIES, Pause, Reply, Request, Talk, exchange, is_passing, json_of
from roony.client.sealed import CannotOpen, check_private_key, open_sealed

PURCHASES = "/api/v1/purchase_intents"
# The longest wait Roony grants to one call; longer ones are made of several.
WAIT_SECONDS = 55.0
# How long a file of 5 MiB may take over a slow line.
UPLOAD_SECONDS = 60.0
# Between two calls of a long wait: after an answer, and after none.
TURN_SECONDS, RECONNECT_SECONDS = 0.2, 2.0
WAITING = frozenset({"awaiting_approval", "issuing"})
# As long as a person is given by default.
DEFAULT_PATIENCE_SECONDS = 1_800.0
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def request_purchase(
    *,
    amount: int,
    currency: str,
    merchant: Merchant | str,
    description: str,
    project_id: str | None = None,
    task_id: str | None = None,
    merchant_lock: Literal["strict", "monitor"] | None = None,
    allow_duplicate: bool = False,
    recurring: Recurring | None = None,
    metadata: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Talk[RequestedPurchase]:
    """Ask for a purchase; `amount` in minor units of `currency`, `merchant` at least its name.

    A decision is an answer, not an error: look at `status` (`ready`, `issuing`, `awaiting_approval`, `declined`).
    `idempotency_key` names the wish: the same key and wish is the same purchase, however often it is asked for, also in
    another process. After `Unreachable` nobody knows if it was bought: call again with the same key and wish, which
    answers that purchase or makes it now. Without one, a key is made for this call and its retries; another call is
    another wish then, which `possible_duplicate` stops only while the purchase is new. Card numbers come with the first
    answer alone, and only where they are delivered in clear. Raises RoonyError, such as `possible_duplicate` with the
    `id` of the purchase that is there already.
    """
    body = _ask_body(amount, currency, merchant, description, project_id, task_id, merchant_lock, allow_duplicate,
                     recurring, metadata)  # fmt: skip
    key = uuid.uuid4().hex if idempotency_key is None else idempotency_key
    if not _KEY.fullmatch(key):
        message = "It must be 1 to 255 printable ASCII characters."
        raise RoonyError("invalid", message, status=422, field="Idempotency-Key")
    reply = yield from _post(PURCHASES, body, {"Idempotency-Key": key})
    replayed = reply.headers.get("idempotent-replayed") == "true"
    return cast(RequestedPurchase, {**json_of(reply), "replayed": replayed})


def preview_purchase(
    *,
    amount: int,
    currency: str,
    merchant: Merchant | str,
    description: str,
    project_id: str | None = None,
    task_id: str | None = None,
    merchant_lock: Literal["strict", "monitor"] | None = None,
    allow_duplicate: bool = False,
    recurring: Recurring | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Talk[Preview]:
    """What would be decided about such a purchase now. Nothing is held, counted or written."""
    body = _ask_body(amount, currency, merchant, description, project_id, task_id, merchant_lock, allow_duplicate,
                     recurring, metadata)  # fmt: skip
    return cast(Preview, json_of((yield from _post(f"{PURCHASES}/preview", body))))


def get_purchase(purchase_id: str, *, wait: float = 0.0) -> Talk[Purchase]:
    """A purchase. With `wait` (seconds, at most 55) once it waits neither for a person nor for its card."""
    return (yield from _purchase(purchase_id, wait, MAX_TRIES))


def wait_until_ready(purchase_id: str, *, timeout: float = DEFAULT_PATIENCE_SECONDS) -> Talk[Purchase]:
    """The purchase once it waits neither for a person nor for its card, or as it is after `timeout` seconds.

    Its `status` says which: `ready`, or `declined`, `failed`, … or still `awaiting_approval` or `issuing`. It goes on
    through a restart of Roony. Raises RoonyError for a refusal, Unreachable when Roony does not answer at the end.
    """
    until = time.monotonic() + timeout
    # Ends by its time: every turn takes TURN_SECONDS or longer.
    while True:
        left = max(0.0, until - time.monotonic())
        pause = TURN_SECONDS
        try:
            purchase = yield from _purchase(purchase_id, min(WAIT_SECONDS, left), 1)
            if purchase["status"] not in WAITING or left == 0:
                return purchase
        except RoonyError as error:
            if left == 0 or not is_passing(error):
                raise
            pause = max(RECONNECT_SECONDS, error.retry_after or 0.0)
        yield Pause(min(pause, max(0.0, until - time.monotonic())))


def list_purchases(
    *, status: PurchaseStatus | None = None, limit: int | None = None, cursor: str | None = None
) -> Talk[Page[Purchase]]:
    """The agent's purchases, newest first, a page at a time."""
    return cast(Page[Purchase], (yield from _get(PURCHASES, status=status, limit=limit, cursor=cursor)))


def cancel_purchase(purchase_id: str) -> Talk[Purchase]:
    """Give a purchase up before its card was used; the card is canceled and the budget freed."""
    return cast(Purchase, json_of((yield from _post(_of(purchase_id, "/cancel"), {}))))


def raise_purchase(purchase_id: str, *, amount: int) -> Talk[Purchase]:
    """Ask for a higher amount, in minor units, before the card is used; decided like an ask of now.

    `card.hard_limit` says what the card can pay; with `amount` as it was, a person decides. Raises RoonyError
    `raise_declined` with the reasons: the purchase stays as it was.
    """
    return cast(Purchase, json_of((yield from _post(_of(purchase_id, "/raise"), {"amount": amount}))))


def get_card(
    purchase_id: str,
    *,
    delivery: Literal["sealed", "reveal", "raw"] | None = None,
    purpose: str | None = None,
    private_key: str | None = None,
) -> Talk[CardDetails]:
    """The card's credentials, as `delivery` says which way; audited with the purpose, at most 5 times a purchase.

    With the agent's `private_key` (the text of the file `roony agent-key new` made) sealed ones are opened here.
    Raises RoonyError, InvalidPrivateKey before anything is asked, and CannotOpen for what the key does not open.
    """
    if private_key is not None:
        # A delivery that cannot be opened would count all the same.
        check_private_key(private_key)
    body = _given(delivery=delivery, purpose=purpose)
    # Each call counts as a delivery: it is not repeated where the first one may have arrived.
    reply = yield from _post(_of(purchase_id, "/card"), body, repeatable=False)
    details = cast(CardDetails, json_of(reply))
    if details["delivery"] == "sealed" and private_key is not None:
        opened = open_sealed(private_key, details["jwe"])
        # Anybody can seal to a public key: what is inside has to be for this purchase.
        if opened.get("purchase_id") != purchase_id:
            raise CannotOpen("It was sealed for another purchase.")
        return cast(OpenedCard, {"delivery": "opened", **opened})
    return details


def upload_receipt(purchase_id: str, content: bytes, *, media_type: str) -> Talk[Receipt]:
    """Hand in a receipt: a PDF, PNG, JPEG, WebP or plain text (`application/pdf`, …) of at most 5 MiB.

    The same bytes again are the same receipt. Raises RoonyError, such as `too_many_receipts` after ten, or
    `card_number` for a text that has the number of a card in it.
    """
    headers = {"Content-Type": media_type}
    request = Request("POST", _of(purchase_id, "/receipt"), headers=headers, content=content, seconds=UPLOAD_SECONDS)
    return cast(Receipt, json_of((yield from exchange(request))))


def check_budget(*, task_id: str | None = None) -> Talk[Page[Budget]]:
    """Every budget the agent's purchases draw on, for a task or for what names none, and what is left of each."""
    return cast(Page[Budget], (yield from _get("/api/v1/budgets", task_id=task_id)))


def get_spending_controls(*, task_id: str | None = None) -> Talk[SpendingControls]:
    """The rules that apply to the agent, for a task or for what names none, as fields and as sentences."""
    return cast(SpendingControls, (yield from _get("/api/v1/controls", task_id=task_id)))


def list_transactions(*, limit: int | None = None, cursor: str | None = None) -> Talk[Page[Transaction]]:
    """Captures and refunds on the agent's purchases, newest first, a page at a time."""
    return cast(Page[Transaction], (yield from _get("/api/v1/transactions", limit=limit, cursor=cursor)))


def _ask_body(
    amount: int,
    currency: str,
    merchant: Merchant | str,
    description: str,
    project_id: str | None,
    task_id: str | None,
    merchant_lock: str | None,
    allow_duplicate: bool,
    recurring: Recurring | None,
    metadata: Mapping[str, str] | None,
) -> dict[str, Any]:
    """What was given of an ask, as Roony wants it."""
    return {
        "amount": amount, "currency": currency, "description": description,
        "merchant": {"name": merchant} if isinstance(merchant, str) else merchant,
        **_given(project_id=project_id, task_id=task_id, merchant_lock=merchant_lock,
                 allow_duplicate=allow_duplicate or None, recurring=recurring, metadata=metadata),
    }  # fmt: skip


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _of(purchase_id: str, part: str = "") -> str:
    """The path of a purchase. Raises RoonyError (404) for what is no id, as Roony would."""
    if not _ID.fullmatch(purchase_id):
        raise RoonyError("not_found", "There is nothing with this id.", status=404)
    return f"{PURCHASES}/{purchase_id}{part}"


def _purchase(purchase_id: str, wait: float, most: int) -> Talk[Purchase]:
    request = Request("GET", _of(purchase_id), _given(wait=wait or None), seconds=ANSWER_SECONDS + wait)
    return cast(Purchase, json_of((yield from exchange(request, most))))


def _get(path: str, **params: Any) -> Talk[dict[str, Any]]:
    return json_of((yield from exchange(Request("GET", path, _given(**params)))))


def _post(
    path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None, repeatable: bool = True
) -> Talk[Reply]:
    """A changing call. Raises RoonyError (`invalid`) for what is no JSON, such as NaN."""
    try:
        # Escaped, so that half of a pair is refused by Roony like any other wrong text.
        content = json.dumps(body, allow_nan=False).encode("ascii")
    except (TypeError, ValueError) as wrong:
        raise RoonyError("invalid", f"This cannot be sent as JSON: {wrong}.", status=422) from None
    given = {"Content-Type": "application/json", **(headers or {})}
    request = Request("POST", path, headers=given, content=content, repeatable=repeatable)
    return (yield from exchange(request))
