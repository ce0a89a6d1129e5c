"""`roony serve --simulate` with a database of its own, ended and started again: the same company, the same cards."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.support.served import SOFTWARE, Simulation, until

SAME = ("organization_id", "agent_id", "stripe_account", "webhook_secret", "stripe_secret_key")
NEW = ("admin_key", "agent_key", "pid")
WISH = {
    "amount": 4_900, "currency": "usd", "description": "1 month Notion", "merchant": {"name": "Notion", **SOFTWARE},
}  # fmt: skip
ASK = "/api/v1/purchase_intents"


def test_a_restart_finds_everything_again(tmp_path: Path) -> None:
    """Ids, old keys, the card, the moved clock; a purchase is made before the restart and paid after it."""
    with Simulation(tmp_path) as first:
        before = first.ready
        first.advance(600)
        key = {"Idempotency-Key": "notion"}
        bought = first.agent.send("POST", ASK, WISH, 201, headers=key)
        assert bought["status"] == "ready"
        stripe_card = first.card_of(bought["id"])["stripe_card_id"]
        now = first.now()
    assert first.child.process.returncode == 0
    assert stat.S_IMODE((tmp_path / "roony.db.secrets").stat().st_mode) == 0o600
    with Simulation(tmp_path) as second:
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


def test_the_demo_agent_has_its_limits(tmp_path: Path) -> None:
    """Software at any merchant in the US, up to 500.00 a purchase and 5,000.00 a month, tolerance 0."""
    with Simulation(tmp_path) as roony:
        [control] = roony.agent.get("/api/v1/controls")["data"]
        assert control["controls"]["purchase_limit"] == 50_000
        assert control["controls"]["tolerance_amount"] == 0
        assert control["controls"]["allowed_countries"] == ["US"]
        [month] = [row for row in roony.agent.get("/api/v1/budgets")["data"] if row["limit"] is not None]
        assert (month["scope"], month["period"], month["limit"]) == ("agent", "month", 500_000)
        wish = {**WISH, "amount": 50_000}
        answers = []
        for place in range(12):
            body = {**wish, "merchant": {"name": f"Shop {place}", **SOFTWARE}}
            answers.append(roony.agent.send("POST", ASK, body, 201))
        assert [answer["status"] for answer in answers] == ["ready"] * 10 + ["declined"] * 2
        over = roony.agent.send("POST", ASK, {**wish, "amount": 50_001}, 201)
        assert over["decision"]["reasons"][0]["code"] == "OVER_PURCHASE_LIMIT"
