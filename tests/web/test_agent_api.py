"""What agents do: ask, follow, get the card, give up, look at budgets, rules and what happened."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from pydantic import BaseModel

from roony.core.audit import AuditRecord
from roony.core.purchase import Purchase
from roony.core.settlement import StripeTransaction
from roony.flows.card_status import keep_card_status
from roony.store.rows import OutboxPromise
from roony.web import shapes
from tests.support.books import everything_in
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH

ASK = "/api/v1/purchase_intents"
ADMIN = "/api/v1/admin"


def body(amount: int = 12_999, name: str = "Figma", **more: Any) -> dict[str, Any]:
    """An ask."""
    return {
        "amount": amount, "currency": "usd", "description": "1 month", "merchant": {"name": name, "country": "US"},
        **more,
    }  # fmt: skip


def fits(shape: type[BaseModel], answer: Any) -> None:
    """The answer is exactly what openapi.json says."""
    shape.model_validate(answer)


@pytest.fixture
def agent(shop: Company) -> Caller:
    return shop.agent(budgets=[MONTH])[1]


def test_an_approved_ask_has_its_card_and_numbers_once(connected: ServedRoony, shop: Company, agent: Caller) -> None:
    made = agent.send("POST", ASK, body(), 201, headers={"Idempotency-Key": "k1"})
    fits(shapes.PurchaseAnswer, made)
    assert (made["status"], made["decision"]["verdict"]) == ("ready", "approved")
    card = made["card"]
    assert card["number"].endswith(card["last4"])
    assert card["hard_limit"] == 12_999
    assert card["billing_zip"]

    replay = agent.call("POST", ASK, body(), headers={"Idempotency-Key": "k1"})
    assert replay.status_code == 200
    assert replay.headers["idempotent-replayed"] == "true"
    assert replay.json()["id"] == made["id"]
    assert {"number", "cvc", "billing_zip"}.isdisjoint(replay.json()["card"])

    assert {"number", "cvc"}.isdisjoint(agent.get(f"{ASK}/{made['id']}")["card"])
    # P6: the number is nowhere in the database.
    assert card["number"].encode() not in everything_in(connected.context.database)


def test_a_key_used_for_another_body_is_a_conflict(agent: Caller) -> None:
    made = agent.send("POST", ASK, body(), 201, headers={"Idempotency-Key": "k1"})
    error = agent.refused(409, "POST", ASK, body(13_000), headers={"Idempotency-Key": "k1"})
    assert (error["code"], error["id"]) == ("idempotency_conflict", made["id"])


def test_saying_a_default_is_the_same_body(agent: Caller) -> None:
    agent.send("POST", ASK, body(), 201, headers={"Idempotency-Key": "k1"})
    same = body(allow_duplicate=False, metadata={}, task_id=None)
    assert agent.call("POST", ASK, same, headers={"Idempotency-Key": "k1"}).status_code == 200


def test_the_same_wish_again_is_a_possible_duplicate(agent: Caller) -> None:
    made = agent.send("POST", ASK, body(), 201)
    error = agent.refused(409, "POST", ASK, body())
    assert (error["code"], error["id"]) == ("possible_duplicate", made["id"])
    assert len(agent.get(ASK)["data"]) == 1


def test_a_declined_ask_is_no_error(agent: Caller) -> None:
    made = agent.send("POST", ASK, body(500_001), 201)
    fits(shapes.PurchaseAnswer, made)
    assert made["status"] == "declined"
    assert made["card"] is None
    assert made["decision"]["reasons"][0]["code"] == "BUDGET_EXCEEDED"


def test_card_details_again_five_times_at_most(shop: Company, agent: Caller) -> None:
    made = agent.send("POST", ASK, body(), 201)
    number = made["card"]["number"]
    for purpose in ({"purpose": "checkout"}, {"delivery": "raw"}, {}, None):
        again = agent.send("POST", f"{ASK}/{made['id']}/card", purpose)
        fits(shapes.CardAnswer, again)
        assert again["number"] == number
    assert agent.refused(409, "POST", f"{ASK}/{made['id']}/card", {})["code"] == "too_many_deliveries"
    audited = shop.owner.get(f"{ADMIN}/audit?action=card.delivered")["data"]
    assert [record["body"]["count"] for record in audited] == [5, 4, 3, 2, 1]
    assert audited[-2]["body"]["purpose"] == "checkout"


def test_a_purchase_can_be_given_up(connected: ServedRoony, shop: Company, agent: Caller) -> None:
    made = agent.send("POST", ASK, body(), 201)
    ended = agent.send("POST", f"{ASK}/{made['id']}/cancel")
    assert (ended["status"], ended["held_amount"], ended["card"]["status"]) == ("canceled", 0, "canceled")
    assert agent.send("POST", f"{ASK}/{made['id']}/cancel")["status"] == "canceled"
    assert agent.refused(409, "POST", f"{ASK}/{made['id']}/card")["code"] == "card_not_ready"
    month = [row for row in agent.get("/api/v1/budgets")["data"] if row["limit"]]
    assert [row["available"] for row in month] == [500_000]
    promise = connected.books.row(OutboxPromise, kind="set_card_status")
    connected.run(lambda context: keep_card_status(context, promise))
    card = shop.owner.get(f"{ADMIN}/cards/{made['card']['id']}")
    assert card["stripe_status"] == "canceled"


def test_a_preview_decides_and_writes_nothing(connected: ServedRoony, shop: Company, agent: Caller) -> None:
    """P10."""
    head = shop.owner.get(f"{ADMIN}/organization")["audit_head"]
    good, bad = (agent.send("POST", f"{ASK}/preview", body(amount)) for amount in (12_999, 500_001))
    for answer in (good, bad):
        fits(shapes.PreviewAnswer, answer)
    assert good["decision"] == {"verdict": "approved", "reasons": []}
    assert bad["decision"]["reasons"][0]["code"] == "BUDGET_EXCEEDED"
    assert shop.owner.get(f"{ADMIN}/organization")["audit_head"] == head
    assert connected.books.rows(Purchase) == []
    assert all(row["held"] == 0 for row in agent.get("/api/v1/budgets")["data"])
    agent.send("POST", ASK, body(), 201)
    assert agent.send("POST", f"{ASK}/preview", body())["decision"]["reasons"][0]["code"] == "POSSIBLE_DUPLICATE"


def test_waiting_ends_with_the_person_s_word(shop: Company) -> None:
    _, agent = shop.agent("Careful", budgets=[MONTH], controls={"approval_threshold": 10_000})
    made = agent.send("POST", ASK, body(), 201)
    fits(shapes.PurchaseAnswer, made)
    assert made["status"] == "awaiting_approval"
    assert made["approval"]["expires_at"] > made["created_at"]
    began = time.monotonic()
    assert agent.get(f"{ASK}/{made['id']}?wait=0.5")["status"] == "awaiting_approval"
    assert time.monotonic() - began > 0.4

    yes = threading.Timer(
        0.3, shop.owner.send, ("POST", f"{ADMIN}/approvals/{made['approval']['id']}/approve", {"note": "fine"})
    )
    yes.start()
    # Longer than a caller here waits for an answer: it has to come before.
    ready = agent.get(f"{ASK}/{made['id']}?wait=55")
    yes.join()
    assert ready["status"] == "ready"
    assert "number" not in ready["card"]
    # A person's yes hands nothing out: all five deliveries are left to the agent.
    assert shop.owner.get(f"{ADMIN}/cards/{ready['card']['id']}")["deliveries"] == 0
    assert agent.send("POST", f"{ASK}/{made['id']}/card")["number"]


def test_waiting_for_what_is_done_answers_at_once(agent: Caller) -> None:
    made = agent.send("POST", ASK, body(), 201)
    # As above.
    assert agent.get(f"{ASK}/{made['id']}?wait=55")["status"] == "ready"


def test_lists_come_in_pages_newest_first(company: Company) -> None:
    """Purchases of one instant are told apart by their ids, so none is shown twice or left out."""
    _, agent = company.agent(budgets=[MONTH])
    ids = {agent.send("POST", ASK, body(amount), 201)["id"] for amount in range(1, 8)}
    seen: list[str] = []
    path = f"{ASK}?limit=3"
    sizes = []
    while True:
        page = agent.get(path)
        fits(shapes.PurchaseList, page)
        sizes.append(len(page["data"]))
        seen += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        path = f"{ASK}?limit=3&cursor={page['next_cursor']}"
    assert sizes == [3, 3, 1]
    assert len(seen) == 7
    assert set(seen) == ids
    assert len(agent.get(f"{ASK}?status=declined")["data"]) == 7
    assert agent.get(f"{ASK}?status=ready")["data"] == []


def test_budgets_are_those_of_the_whole_chain(company: Company) -> None:
    made, agent = company.agent(budgets=[MONTH, {"period": "day", "limit": 0, "currency": "eur"}])
    answer = agent.get("/api/v1/budgets")
    fits(shapes.BudgetList, answer)
    rows = [(row["scope"], row["currency"], row["period"], row["limit"]) for row in answer["data"]]
    assert rows[:8] == [
        ("agent", "eur", "day", 0), ("agent", "eur", "week", None), ("agent", "eur", "month", None),
        ("agent", "eur", "lifetime", None), ("agent", "usd", "day", None), ("agent", "usd", "week", None),
        ("agent", "usd", "month", 500_000), ("agent", "usd", "lifetime", None),
    ]  # fmt: skip
    assert [row[0] for row in rows[8:]] == ["project"] * 4 + ["organization"] * 4
    assert {row["scope_id"] for row in answer["data"]} == {made["id"], company.project_id, company.id}


def test_rules_are_said_in_sentences(company: Company) -> None:
    controls: dict[str, Any] = {
        "purchase_limit": 50_000, "approval_threshold": 20_000,
        "second_approval_threshold": 40_000, "approval_expiry_seconds": 600, "approve_new_merchants": True,
        "approve_categories": ["software"], "allowed_merchants": ["Figma"], "blocked_merchants": ["Evil"],
        "allowed_categories": ["software"], "blocked_categories": ["never"], "allowed_countries": ["US"],
        "blocked_countries": ["KP"], "velocity_count": 5, "velocity_amount": 100_000,
        "active_hours": {"days": ["mon"], "from": "09:00", "to": "17:00"}, "card_ttl_seconds": 600,
        "tolerance_amount": 100, "tolerance_percent": 5, "merchant_lock": "monitor", "foreign_currency": "allow",
        "delivery": "sealed", "duplicate_window_seconds": 60,
    }  # fmt: skip
    _, agent = company.agent(controls=controls)
    company.owner.send("PUT", f"{ADMIN}/controls", {"scope": "organization", "controls": {"purchase_limit": 1}})
    answer = agent.get("/api/v1/controls")
    fits(shapes.RuleList, answer)
    levels = {row["scope"]: row for row in answer["data"]}
    assert set(levels) == {"agent", "organization"}
    assert levels["agent"]["controls"] == controls
    assert len(levels["agent"]["sentences"]) == 22
    assert levels["agent"]["sentences"][0] == "One purchase is 500.00 USD at most."
    assert levels["organization"]["sentences"] == ["One purchase is 0.01 USD at most."]


def test_what_applies_is_said_with_the_level_it_comes_from(company: Company) -> None:
    made, agent = company.agent(
        controls={"purchase_limit": 50_000, "allowed_merchants": ["Figma"], "blocked_countries": ["KP"]},
        budgets=[MONTH],
    )
    for scope, scope_id, controls in (
        ("organization", company.id, {"purchase_limit": 90_000, "blocked_countries": ["IR"], "delivery": "reveal"}),
        ("project", company.project_id, {"purchase_limit": 50_000, "allowed_merchants": ["Figma", "Notion"]}),
        ("task", f"{made['id']}:*", {"purchase_limit": 20_000}),
        ("task", f"{made['id']}:trip", {"merchant_lock": "monitor", "velocity_count": 3}),
    ):
        company.owner.send("PUT", f"{ADMIN}/controls", {"scope": scope, "scope_id": scope_id, "controls": controls})
    answer = agent.get("/api/v1/controls", params={"task_id": "trip"})
    fits(shapes.RuleList, answer)
    rules = [(r["control"], r["value"], [level["scope"] for level in r["set_by"]]) for r in answer["merged"]]
    assert rules == [
        ("purchase_limit", 20_000, ["task"]),
        ("allowed_merchants", ["Figma"], ["agent"]), ("allowed_merchants", ["Figma", "Notion"], ["project"]),
        ("blocked_countries", ["IR", "KP"], ["agent", "organization"]),
        ("velocity_count", 3, ["task"]), ("card_ttl_seconds", 3_600, []), ("merchant_lock", "monitor", ["task"]),
        ("foreign_currency", "decline", []), ("delivery", "sealed", ["organization"]),
        ("duplicate_window_seconds", 900, []),
    ]  # fmt: skip
    said = [rule["sentence"] for rule in answer["merged"]]
    assert said[0] == "One purchase is 200.00 USD at most (set for each task)."
    assert said[3] == "Never merchants in these countries: IR, KP (set for this agent and the organization)."
    assert (
        said[6] == "A charge by another merchant than the approved one is let through and flagged (set for this task)."
    )
    assert [budget["sentence"] for budget in answer["budgets"]] == [
        "5,000.00 USD a month for this agent; 5,000.00 USD of it is left."
    ]
    assert [row["scope_id"] for row in answer["data"]] == sorted(row["scope_id"] for row in answer["data"])
    # Without the task its own rules are gone, those for every task are not.
    plain = {r["control"]: r["value"] for r in agent.get("/api/v1/controls")["merged"]}
    assert (plain["purchase_limit"], plain["merchant_lock"]) == (20_000, "strict")
    assert "velocity_count" not in plain


def test_rules_are_told_of_projects_the_agent_may_name_only(company: Company) -> None:
    second, third = (company.owner.send("POST", f"{ADMIN}/projects", {"name": n}, 201)["id"] for n in ("2", "3"))
    _, agent = company.agent(project_id=company.project_id, project_ids=[second])
    rule = {"scope": "project", "scope_id": second, "controls": {"purchase_limit": 7}}
    company.owner.send("PUT", f"{ADMIN}/controls", rule)
    names = [r["control"] for r in agent.get("/api/v1/controls")["merged"]]
    assert "purchase_limit" not in names
    assert agent.get(f"/api/v1/controls?project_id={second}")["merged"][0]["value"] == 7
    assert agent.refused(404, "GET", f"/api/v1/controls?project_id={third}")["field"] == "project_id"


def test_monitor_is_taken_where_the_rules_say_so(company: Company) -> None:
    _, agent = company.agent(controls={"merchant_lock": "monitor"})
    assert agent.send("POST", ASK, body(merchant_lock="monitor"), 201)["merchant_lock"] == "monitor"
    assert agent.send("POST", ASK, body(1, merchant_lock="strict"), 201)["merchant_lock"] == "strict"
    # One stricter level is enough.
    company.owner.send("PUT", f"{ADMIN}/controls", {"scope": "organization", "controls": {"merchant_lock": "strict"}})
    assert agent.refused(422, "POST", ASK, body(2, merchant_lock="monitor"))["field"] == "merchant_lock"


def test_an_agent_names_only_projects_it_was_given(company: Company) -> None:
    second, third = (company.owner.send("POST", f"{ADMIN}/projects", {"name": n}, 201)["id"] for n in ("2", "3"))
    _, agent = company.agent(project_id=company.project_id, project_ids=[second])
    assert agent.send("POST", ASK, body(1), 201)["project_id"] == company.project_id
    assert agent.send("POST", ASK, body(2, project_id=second), 201)["project_id"] == second
    assert agent.refused(404, "POST", ASK, body(3, project_id=third))["field"] == "project_id"


def test_transactions_are_the_agent_s_own(roony: ServedRoony, company: Company) -> None:
    (_, one), (_, two) = company.agent("One"), company.agent("Two")
    mine = one.send("POST", ASK, body(), 201)
    roony.books.put(StripeTransaction(
        company.id, "ipi_1", "con_1", mine["id"], "iauth_1", "ic_1", "capture", 12_999, "usd", 12_999, "usd",
        '{"name": "FIGMA"}', None, roony.context.clock(), roony.context.clock(), agent_id=mine["agent_id"],
    ))  # fmt: skip
    answer = one.get("/api/v1/transactions")
    fits(shapes.TransactionList, answer)
    assert [row["id"] for row in answer["data"]] == ["ipi_1"]
    assert two.get("/api/v1/transactions")["data"] == []
    assert [row["id"] for row in company.owner.get(f"{ADMIN}/stripe_transactions")["data"]] == ["ipi_1"]


def test_racing_asks_with_one_key_make_one_purchase(connected: ServedRoony, shop: Company, agent: Caller) -> None:
    """P2: whoever comes first makes it, everybody gets it."""
    barrier = threading.Barrier(6)
    answers: list[Any] = []

    def ask() -> None:
        barrier.wait()
        answers.append(agent.call("POST", ASK, body(), headers={"Idempotency-Key": "race"}))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(connected.books.rows(Purchase)) == 1
    assert len(shop.owner.get(f"{ADMIN}/cards")["data"]) == 1


def test_an_outage_of_stripe_leaves_the_purchase_issuing(connected: ServedRoony, shop: Company, agent: Caller) -> None:
    """The hold is kept and the worker tries again; the agent is not told that it failed."""
    agent.send("POST", ASK, body(1, "Warm up"), 201)
    gateway = connected.context.gateway
    connected.context.pool.close()
    made = agent.send("POST", ASK, body(), 201)
    assert gateway is not None
    assert (made["status"], made["held_amount"]) == ("issuing", 12_999)
    assert made["card"] is None
    assert connected.books.rows(AuditRecord, action="card.failed") == []
