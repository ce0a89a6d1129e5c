"""Who hangs up while the till is busy: what they asked for is committed, and done in this process at once."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from roony.store.writer import Writer
from tests.support.hanging_up import TOOLS, Gone
from tests.support.served import until
from tests.support.serving import Caller, Company, ServedRoony
from tests.support.tills import PATIENCE, stay
from tests.web.conftest import MONTH

WISH = {
    "amount": "49.99", "currency": "usd", "description": "1 month", "merchant": "Figma", "merchant_country": "US",
    "merchant_category": "5734",
}  # fmt: skip
COUNT = re.compile(r'^roony_http_requests_total\{method="POST",status="\d+"\} (\d+)$', re.MULTILINE)


def posts(nobody: Caller) -> int:
    """Requests with POST that are over, answered or not."""
    return sum(map(int, COUNT.findall(nobody.call("GET", "/metrics").text)))


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_who_asks_over_mcp_and_hangs_up_gets_the_card_made(
    connected: ServedRoony, shop: Company, tool: tuple[str, dict[str, Any]]
) -> None:
    """Nobody else would make it: here no worker looks for promises whose lease is over."""
    agent = shop.agent(budgets=[MONTH])[1]
    agent.get("/api/v1/budgets")
    till, held, nobody = connected.context.till, threading.Event(), connected.caller()
    before = posts(nobody)

    def work(writer: Writer) -> None:
        held.set()
        stay(writer, lambda: posts(nobody) > before)

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(till.write_and_wait, work)
        assert held.wait(PATIENCE)
        with closing(Gone(connected.url, str(agent.key))) as leaves:
            leaves.use("request_purchase", WISH, *tool)
            until(lambda: any(ticket.command is not None for ticket in till._lanes._ordinary), True)
        writing.result(PATIENCE)
    until(lambda: [row["status"] for row in agent.get("/api/v1/purchase_intents")["data"]], ["ready"])
