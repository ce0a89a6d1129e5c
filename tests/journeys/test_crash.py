"""The server kills itself at a named point of making a card; restarted, there is one card, one hold, and it is ready.

All points are played at the same time: starting programs is most of the work.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.support.served import BUDGETS, SOFTWARE, Installation, until

# A lease lasts 30 s; a restart on SQLite does not even wait for that.
RECOVERY_SECONDS = 90
PRICE = 5_000
WISH = {
    "amount": PRICE, "currency": "usd", "description": "1 month Figma", "merchant": {"name": "Figma", **SOFTWARE},
}  # fmt: skip
ASK = "/api/v1/purchase_intents"
KEY = {"Idempotency-Key": "once"}
POINTS = ["after_hold", "before_card_call", "after_card_call", "after_card_recorded"]


class Prepared(NamedTuple):
    """An installation with a connected account, one agent and its keys, stopped; to be copied."""

    folder: Path
    admin_key: str
    agent_id: str
    agent_key: str


class Recovered(NamedTuple):
    """What was found after the crash and the restart."""

    exit_code: int
    purchases: list[dict[str, Any]]
    replay: httpx2.Response
    standing: tuple[int, int]
    cards: list[Any]
    paid: Any


def prepare(folder: Path) -> Prepared:
    """Sets up what every point begins with."""
    with Installation(folder) as installation:
        admin_key = installation.make()
        installation.start_simulator()
        installation.start_roony()
        owner = installation.caller(admin_key)
        connection = owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)
        assert connection["status"] == "active"
        agent = owner.send("POST", "/api/v1/admin/agents", {"name": "buyer", "budgets": BUDGETS}, 201)
    return Prepared(folder, admin_key, agent["id"], agent["key"])


def crash_and_recover(prepared: Prepared, folder: Path, point: str) -> Recovered:
    """1 ask, and Roony dies at `point` · 2 start it again · 3 the purchase becomes ready · 4 ask again · 5 pay."""
    shutil.copytree(prepared.folder, folder)
    with Installation(folder) as installation:
        installation.start_simulator()
        installation.start_roony(stop_at=point)
        agent = installation.caller(prepared.agent_key)
        with pytest.raises(httpx2.TransportError):
            agent.call("POST", ASK, WISH, headers=KEY)
        assert installation.roony is not None
        code = installation.roony.wait_for_end()
        installation.roony.stop()
        installation.start_roony()
        found = agent.get(ASK)["data"]
        for purchase in found:
            until(lambda id=purchase["id"]: agent.get(f"{ASK}/{id}")["status"], "ready", RECOVERY_SECONDS)  # type: ignore[misc]
        replay = agent.call("POST", ASK, WISH, headers=KEY)
        owner = installation.caller(prepared.admin_key)
        [budget] = [
            row
            for row in owner.get("/api/v1/admin/budgets", params={"scope_id": prepared.agent_id})["data"]
            if row["period"] == "lifetime"
        ]
        stripe = installation.stripe()
        cards = list(stripe.v1.issuing.cards.list({"limit": 100}).auto_paging_iter())
        paid = stripe.v1.test_helpers.issuing.authorizations.create(
            {"card": cards[0].id, "amount": PRICE, "merchant_data": {"name": "FIGMA", **SOFTWARE}}  # type: ignore[typeddict-item]
        )
        return Recovered(code, found, replay, (budget["held"], budget["spent"]), cards, paid)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Recovered]]]:
    """Every point, under way."""
    folder = tmp_path_factory.mktemp("crash")
    (folder / "prepared").mkdir()
    prepared = prepare(folder / "prepared")
    with ThreadPoolExecutor(len(POINTS)) as threads:
        yield {point: threads.submit(crash_and_recover, prepared, folder / point, point) for point in POINTS}


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_neither_loses_nor_doubles(played: dict[str, Future[Recovered]], point: str) -> None:
    """One purchase, one hold, one card, and a network that gets its answer; the numbers are not told twice."""
    recovered = played[point].result()
    assert recovered.exit_code == -signal.SIGKILL
    replayed = recovered.replay.json()
    assert [purchase["id"] for purchase in recovered.purchases] == [replayed["id"]]
    assert recovered.replay.status_code == 200
    assert recovered.replay.headers["idempotent-replayed"] == "true"
    assert not {"number", "cvc", "billing_zip"} & set(replayed["card"])
    assert replayed["status"] == "ready"
    assert recovered.standing == (PRICE, 0)
    assert [card.metadata["roony_purchase"] for card in recovered.cards] == [replayed["id"]]
    assert recovered.paid.approved, recovered.paid.request_history
    assert recovered.paid.request_history[0].reason == "webhook_approved"
