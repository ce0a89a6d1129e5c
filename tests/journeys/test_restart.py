"""`roony serve --simulate` with a database of its own, ended and started again: the same company, the same cards."""

from __future__ import annotations

import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.support.served import SOFTWARE, Simulation, until

SAME = ("organization_id", "agent_id", "stripe_account", "webhook_secret", "stripe_secret_key")
NEW = ("admin_key", "agent_key", "pid")
WISH = {
    "amount": 4_900, "currency": "usd", "description": "1 month Notion", "merchant": {"name": "Notion", **SOFTWARE},
}  # fmt: skip
ASK = "/api/v1/purchase_intents"


def test_a_restart_finds_everything_again(tmp_path: Path, database_url: str | None) -> None:
    """Ids, old keys, the card, the moved clock; a purchase is made before the restart and paid after it."""
    with Simulation(tmp_path, database_url) as first:
        before = first.ready
        first.advance(600)
        key = {"Idempotency-Key": "notion"}
        bought = first.agent.send("POST", ASK, WISH, 201, headers=key)
        assert bought["status"] == "ready"
        stripe_card = first.card_of(bought["id"])["stripe_card_id"]
        now = first.now()
    assert first.child.process.returncode == 0
    [secrets] = tmp_path.rglob("roony*.secrets")
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    with Simulation(tmp_path, database_url) as second:
        assert {name: second.ready[name] for name in SAME} == {name: before[name] for name in SAME}
        assert all(second.ready[name] != before[name] for name in NEW)
        assert second.now() >= now
        for key_of_agent in (before["agent_key"], second.ready["agent_key"]):
            agent = second.caller(key_of_agent)
            assert agent.get(f"{ASK}/{bought['id']}")["status"] == "ready"
            replay = agent.call("POST", ASK, WISH, headers=key)
            assert (replay.status_code, replay.json()["id"]) == (200, bought["id"])
            assert "number" not in replay.json()["card"]
        owner = second.caller(before["admin_key"])
        assert [row["id"] for row in owner.get("/api/v1/admin/agents")["data"]] == [before["agent_id"]]
        assert second.standing(before["agent_id"]) == (4_900, 0)
        authorization = second.charge(stripe_card, 4_900, "NOTION")
        assert authorization.request_history[0].reason == "webhook_approved"
        second.stripe.v1.test_helpers.issuing.authorizations.capture(authorization.id)
        until(lambda: second.purchase(bought["id"])["status"], "settled")
        assert second.standing(before["agent_id"]) == (0, 4_900)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_end_in_the_middle_of_asks_loses_and_doubles_nothing(
    tmp_path: Path, database_url: str | None, end: signal.Signals
) -> None:
    """Asked again with the same keys after the restart: every wish has one purchase, one card and one hold."""
    places = range(24)

    def ask(url: str, key: str, place: int) -> int:
        body = {**WISH, "amount": 1_000 + place, "merchant": {"name": f"Shop {place}", **SOFTWARE}}
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"wish {place}"}
        try:
            answer = httpx2.post(f"{url}{ASK}", json=body, headers=headers, timeout=60, trust_env=False, verify=False)
        except httpx2.TransportError:
            return 0
        return answer.status_code

    with Simulation(tmp_path, database_url) as first, ThreadPoolExecutor(len(places)) as threads:
        first.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "slow", "seconds": 0.5, "count": 12}])
        key = first.ready["agent_key"]
        under_way = [threads.submit(ask, first.url, key, place) for place in places]
        until(lambda: len(first.agent.get(ASK, params={"limit": 100})["data"]) > len(places) // 2, True)
        first.child.process.send_signal(end)
        first.child.wait_for_end()
        assert {done.result() for done in under_way} <= {0, 201, 503}
    with Simulation(tmp_path, database_url) as second:
        assert {ask(second.url, key, place) for place in places} <= {200, 201}

        def states() -> list[str]:
            return [row["status"] for row in second.agent.get(ASK, params={"limit": 100})["data"]]

        until(states, ["ready"] * len(places), 90)
        cards = second.stripe_cards(roony_agent=second.ready["agent_id"])
        purchases = second.agent.get(ASK, params={"limit": 100})["data"]
        assert sorted(card.metadata["roony_purchase"] for card in cards) == sorted(row["id"] for row in purchases)
        assert second.standing(second.ready["agent_id"]) == (sum(1_000 + place for place in places), 0)
