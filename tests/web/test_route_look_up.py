"""Which organizations accounts belong to is looked up once for all requests that come meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import Any

from sqlalchemy import event as listening

from roony.flows.context import FlowContext
from roony.flows.webhook_endpoint import PATH
from roony.store.database import READ_CONNECTIONS
from roony.store.rows import AccountRoute
from roony.web.webhook import WebhookDoor
from tests.support.served import request_event, sign
from tests.support.serving import Company, ServedRoony

SECRET = "whsec_of_this_door"
MANY = 8


async def ask(door: WebhookDoor, said: dict[str, Any], now: int, address: bytes = b"") -> dict[str, Any]:
    """Stripe asks, past HTTP."""
    body, parts = json.dumps(said).encode(), []
    signature = sign(body, SECRET, now).encode()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        parts.append(message.get("body", b""))

    headers = [(b"stripe-signature", signature)]
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers, "query_string": address}
    await door(scope, receive, send)
    answer: dict[str, Any] = json.loads(b"".join(parts))
    return answer


async def nothing_else(*_: Any) -> None:
    """No app is behind this door."""


def looks_for(roony: ServedRoony, accounts: list[str]) -> tuple[list[str], int]:
    """What requests of these accounts, all made at once, were answered, and how often routes were read for them."""
    looked: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "account_routes" in statement:
            looked.append(statement)

    async def at_once(context: FlowContext) -> list[dict[str, Any]]:
        door, now = WebhookDoor(context, [SECRET], nothing_else), context.clock() // 1_000_000
        events = [request_event(account, f"ic_{n}", 100, "Figma", now) for n, account in enumerate(accounts)]
        return list(await asyncio.gather(*(ask(door, event, now) for event in events)))

    listening.listen(roony.context.database.engine, "before_cursor_execute", see)
    try:
        answers = roony.run(at_once)
    finally:
        listening.remove(roony.context.database.engine, "before_cursor_execute", see)
    return [answer["metadata"]["code"] for answer in answers], len(looked)


def test_an_account_is_looked_up_once_for_all_who_wait_for_it(roony: ServedRoony, company: Company) -> None:
    roony.books.put(AccountRoute("acct_busy", 0, company.id, "con_busy"))
    assert looks_for(roony, ["acct_busy"] * MANY) == (["CARD_UNKNOWN"] * MANY, 1)


def test_accounts_that_are_wanted_while_others_are_looked_up_are_looked_up_together(
    roony: ServedRoony, company: Company
) -> None:
    accounts = [f"acct_{n}" for n in range(MANY)]
    for account in accounts:
        roony.books.put(AccountRoute(account, 0, company.id, "con_busy"))
    # The first one alone, those who came meanwhile with one reading.
    assert looks_for(roony, accounts) == (["CARD_UNKNOWN"] * MANY, 2)


def test_an_account_of_nobody_does_not_become_anothers(roony: ServedRoony, company: Company) -> None:
    roony.books.put(AccountRoute("acct_ours", 0, company.id, "con_busy"))
    codes, _ = looks_for(roony, ["acct_nobodys", "acct_ours", "acct_nobodys_either"])
    assert codes == ["CONNECTION_INACTIVE", "CARD_UNKNOWN", "CONNECTION_INACTIVE"]


def test_a_request_is_declined_in_time_where_nobody_can_say_whose_secret_signed_it(roony: ServedRoony) -> None:
    """A process just started knows no account's secrets yet, and pages have all the connections that read."""
    engine = roony.context.database.engine

    async def busy(context: FlowContext) -> dict[str, Any]:
        door, now = WebhookDoor(context, [], nothing_else), context.clock() // 1_000_000
        return await ask(door, request_event("acct_1", "ic_1", 100, "Figma", now), now, b"connection=con_1")

    with ExitStack() as pages:
        for _ in range(2 * READ_CONNECTIONS):
            pages.enter_context(engine.connect())
        answer = roony.run(busy)
    assert answer == {"approved": False, "metadata": {"code": "BUSY"}}
