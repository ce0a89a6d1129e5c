"""Who waits and hangs up: their place is free at once, and what they asked for is done all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from roony.flows.change_feed import MAX_WATCHES_EACH
from tests.journeys.test_waiting import ASK, PRICE, decide, waiting
from tests.support.hanging_up import TOOLS, Gone
from tests.support.served import Buyer, Simulation, unique, until

# Far below the 45 and 55 seconds that they would have waited for.
SECONDS = 20.0
WISH = {"amount": "120.00", "currency": "usd", "description": "1 month", "request_id": "one", "wait_seconds": 45}


@contextmanager
def calling(buyer: Buyer) -> Iterator[Gone]:
    """An agent's connection; it hangs up behind the block."""
    one = Gone(buyer.roony.url, buyer.key)
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def careful(roony: Simulation) -> Buyer:
    """An agent whose purchases over 100.00 a person decides."""
    return roony.buyer(controls={"approval_threshold": 10_000})


@pytest.mark.parametrize("tool", [None, *TOOLS], ids=str)
def test_who_waits_and_hangs_up_gives_its_place_back(
    roony: Simulation, careful: Buyer, tool: tuple[str, dict[str, Any]] | None
) -> None:
    """Over REST and MCP, whether or not progress is told; whoever else waits for the same is answered as ever."""
    purchase = careful.ask(PRICE, unique("GitHub"))
    with calling(careful) as stays:
        stays.wait(purchase["id"])
        until(lambda: waiting(roony), 1)
        with calling(careful) as leaves:
            if tool is None:
                leaves.wait(purchase["id"])
            else:
                leaves.use("get_purchase", {"purchase_id": purchase["id"], "wait_seconds": 45}, *tool)
            until(lambda: waiting(roony), 2)
        until(lambda: waiting(roony), 1, SECONDS)
        decide(roony, purchase, "approve")
        assert stays.heard()["status"] == "ready"
    until(lambda: waiting(roony), 0)


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_who_asks_over_mcp_and_hangs_up_leaves_its_wish(
    roony: Simulation, careful: Buyer, tool: tuple[str, dict[str, Any]]
) -> None:
    """A person decides about it as ever."""
    with calling(careful) as leaves:
        leaves.use("request_purchase", {**WISH, "merchant": unique("GitHub")}, *tool)
        until(lambda: waiting(roony), 1)
    until(lambda: waiting(roony), 0, SECONDS)
    [purchase] = careful.api.get(ASK)["data"]
    assert purchase["status"] == "awaiting_approval"
    decide(roony, purchase, "approve")
    until(lambda: careful.purchase(purchase["id"])["status"], "ready")


@pytest.mark.parametrize("path", ["/api/v1/stream", "/api/v1/admin/stream"])
def test_who_leaves_a_stream_gives_its_place_back(roony: Simulation, careful: Buyer, path: str) -> None:
    key = careful.key if path == "/api/v1/stream" else roony.ready["admin_key"]
    one = Gone(roony.url, key)
    one.ask("GET", path)
    until(lambda: waiting(roony), 1)
    one.close()
    until(lambda: waiting(roony), 0, SECONDS)


def test_nobody_is_kept_out_by_those_who_come_back_in_a_loop(roony: Simulation, careful: Buyer) -> None:
    """More often than there are places for one key."""
    purchase = careful.ask(PRICE, unique("GitHub"))
    for _ in range(MAX_WATCHES_EACH + 20):
        with calling(careful) as one:
            one.wait(purchase["id"])
    until(lambda: waiting(roony), 0, SECONDS)
    assert careful.purchase(purchase["id"], wait=1)["status"] == "awaiting_approval"


@pytest.mark.parametrize("tool", [None, *TOOLS], ids=str)
def test_who_asks_and_hangs_up_takes_no_place_and_its_card_is_made(
    roony: Simulation, tool: tuple[str, dict[str, Any]] | None
) -> None:
    """While Stripe makes the card. The wait for it has no place, so there is none to be kept."""
    buyer = roony.buyer()
    roony.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "slow", "seconds": 2, "count": 1}])
    merchant = unique("GitHub")
    with calling(buyer) as leaves:
        if tool is None:
            leaves.ask("POST", ASK, buyer.wish(PRICE, merchant))
        else:
            leaves.use("request_purchase", {**WISH, "merchant": merchant}, *tool)
        until(lambda: [row["status"] for row in buyer.api.get(ASK)["data"]], ["issuing"])
        assert waiting(roony) == 0
    [purchase] = buyer.api.get(ASK)["data"]
    until(lambda: buyer.purchase(purchase["id"])["status"], "ready", SECONDS)
    assert len(roony.stripe_cards(roony_purchase=purchase["id"])) == 1
    until(lambda: waiting(roony), 0, SECONDS)
