"""Which organization an account belongs to is looked up once for all requests that come meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

from sqlalchemy import event as listening

from roony.flows.context import FlowContext
from roony.flows.webhook_endpoint import PATH
from roony.store.rows import AccountRoute
from roony.web.webhook import WebhookDoor
from tests.support.served import request_event, sign
from tests.support.serving import Company, ServedRoony

SECRET = "whsec_of_this_door"
MANY = 8


async def ask(door: WebhookDoor, said: dict[str, Any], now: int) -> dict[str, Any]:
    """Stripe asks, past HTTP."""
    body, parts = json.dumps(said).encode(), []
    signature = sign(body, SECRET, now).encode()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        parts.append(message.get("body", b""))

    headers = [(b"stripe-signature", signature)]
    await door({"type": "http", "method": "POST", "path": PATH, "headers": headers}, receive, send)
    answer: dict[str, Any] = json.loads(b"".join(parts))
    return answer


async def nothing_else(*_: Any) -> None:
    """No app is behind this door."""


def test_an_account_is_looked_up_once_for_all_who_wait_for_it(roony: ServedRoony, company: Company) -> None:
    roony.books.put(AccountRoute("acct_busy", 0, company.id, "con_busy"))
    looked: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "account_routes" in statement:
            looked.append(statement)

    async def many_at_once(context: FlowContext) -> list[dict[str, Any]]:
        door, now = WebhookDoor(context, [SECRET], nothing_else), context.clock() // 1_000_000
        asks = [ask(door, request_event("acct_busy", f"ic_{n}", 100, "Figma", now), now) for n in range(MANY)]
        return list(await asyncio.gather(*asks))

    listening.listen(roony.context.database.engine, "before_cursor_execute", see)
    try:
        answers = roony.run(many_at_once)
    finally:
        listening.remove(roony.context.database.engine, "before_cursor_execute", see)
    assert [answer["metadata"]["code"] for answer in answers] == ["CARD_UNKNOWN"] * MANY
    assert len(looked) == 1
