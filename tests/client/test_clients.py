"""Both clients against a real server: every operation, lost answers, refusals, sealed cards, and no server imported."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading
from contextlib import closing
from typing import Any

import httpx2
import pytest

from roony.client import AsyncRoony, CannotOpen, InvalidPrivateKey, Roony, RoonyError, Unreachable, operations
from roony.client.sealed import new_private_key
from roony.flows.sealing import seal
from tests.client.conftest import Connect
from tests.support.served import unique
from tests.support.serving import Company, ServedRoony

ADMIN = "/api/v1/admin"
MONTH = {"period": "month", "limit": 500_000, "currency": "usd"}
KEY = new_private_key()


def ask(amount: int = 4_999, **more: Any) -> dict[str, Any]:
    """What is asked for, at a merchant of its own."""
    merchant = {"name": unique("Shop"), "category": "computer_software_stores", "country": "US"}
    return {"amount": amount, "currency": "usd", "merchant": merchant, "description": "1 month", **more}


@pytest.fixture
def client(roony: ServedRoony, company: Company, connect: Connect) -> Any:
    """An agent of 5,000.00 a month; a person decides over 100.00."""
    _, caller = company.agent(budgets=[MONTH], controls={"approval_threshold": 10_000, "tolerance_percent": 0})
    return connect(roony.url, caller.key)


def test_every_operation(client: Any) -> None:
    wish = ask()
    previewed = client.preview_purchase(**wish)
    assert (previewed["decision"]["verdict"], previewed["hold_amount"]) == ("approved", 4_999)
    made = client.request_purchase(**wish)
    assert (made["status"], made["replayed"]) == ("ready", False)
    assert made["card"]["number"].endswith(made["card"]["last4"])
    assert client.get_purchase(made["id"])["id"] == made["id"]
    assert client.get_purchase(made["id"], wait=1)["status"] == "ready"
    assert client.wait_until_ready(made["id"])["status"] == "ready"
    raised = client.raise_purchase(made["id"], amount=5_499)
    assert (raised["amount"], raised["card"]["hard_limit"]) == (5_499, 5_499)
    details = client.get_card(made["id"], purpose="checkout")
    assert (details["delivery"], details["number"]) == ("raw", made["card"]["number"])
    budget = next(row for row in client.check_budget()["data"] if row["limit"] is not None)
    assert (budget["held"], budget["available"]) == (5_499, 494_501)
    rules = client.get_spending_controls(task_id="t-1")
    assert {rule["control"]: rule["value"] for rule in rules["merged"]}["approval_threshold"] == 10_000
    assert [row["available"] for row in rules["budgets"]] == [494_501]
    assert client.upload_receipt(made["id"], b"%PDF-1.7", media_type="application/pdf")["size"] == 8
    assert client.cancel_purchase(made["id"])["status"] == "canceled"
    assert client.list_transactions(limit=1) == {"data": [], "next_cursor": None}


def test_pages(client: Any) -> None:
    made = [client.request_purchase(**ask(amount))["id"] for amount in (500, 501, 502)]
    first = client.list_purchases(limit=2)
    second = client.list_purchases(limit=2, cursor=first["next_cursor"])
    assert sorted(row["id"] for page in (first, second) for row in page["data"]) == sorted(made)
    assert second["next_cursor"] is None
    assert client.list_purchases(status="settled")["data"] == []


def test_a_name_is_enough_of_a_merchant_and_all_fields_arrive(client: Any) -> None:
    mandate = {"interval": "month", "payments": 12}
    made = client.request_purchase(
        **{**ask(), "merchant": unique("Shop")}, task_id="t-1", merchant_lock="strict", recurring=mandate,
        metadata={"order": "7"},
    )  # fmt: skip
    assert (made["task_id"], made["metadata"], made["merchant_lock"]) == ("t-1", {"order": "7"}, "strict")
    assert {name: made["mandate"][name] for name in mandate} == mandate


def test_an_ask_whose_answers_are_lost_buys_once(
    roony: ServedRoony, company: Company, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2: every try carries the same key; the numbers of the lost answer are not told again."""
    monkeypatch.setattr("roony.client.exchange.FIRST_PAUSE_SECONDS", 0.0)
    _, caller = company.agent(budgets=[MONTH])
    made = connect(roony.url, caller.key, 2).request_purchase(**ask())
    assert (made["status"], made["replayed"], "number" in made["card"]) == ("ready", True, False)
    assert [row["id"] for row in caller.get("/api/v1/purchase_intents")["data"]] == [made["id"]]


def test_the_callers_own_key_is_the_same_purchase_everywhere(client: Any) -> None:
    wish = ask(idempotency_key=unique("wish"))
    first, again = client.request_purchase(**wish), client.request_purchase(**wish)
    assert (again["id"], first["replayed"], again["replayed"]) == (first["id"], False, True)
    with pytest.raises(RoonyError) as conflict:
        client.request_purchase(**{**wish, "amount": 5_000})
    assert (conflict.value.code, conflict.value.id) == ("idempotency_conflict", first["id"])


def test_refusals_say_what_and_where(client: Any) -> None:
    wish = ask()
    made = client.request_purchase(**wish)
    cases: list[tuple[Any, int, str, str | None]] = [
        (lambda: client.request_purchase(**wish), 409, "possible_duplicate", None),
        (lambda: client.request_purchase(**{**wish, "amount": 0}), 422, "invalid", "amount"),
        (lambda: client.request_purchase(**{**wish, "description": "\ud800"}), 422, "invalid", "description"),
        (lambda: client.get_purchase("pur_nobody"), 404, "not_found", None),
        (lambda: client.get_purchase(made["id"], wait=56), 422, "invalid", "wait"),
        (lambda: client.raise_purchase(made["id"], amount=99_999_999), 409, "raise_declined", None),
    ]
    for call, status, code, field in cases:
        with pytest.raises(RoonyError) as refused:
            call()
        error = refused.value
        assert (error.status, error.code, error.field) == (status, code, field)
        assert error.request_id.startswith("req_")
    assert error.reasons[0]["code"] == "AMOUNT_TOO_LARGE"


def test_a_waiting_agent_is_answered_when_a_person_decides(company: Company, client: Any) -> None:
    made = client.request_purchase(**ask(15_000))
    assert made["status"] == "awaiting_approval"
    assert client.wait_until_ready(made["id"], timeout=0)["status"] == "awaiting_approval"
    answers: list[Any] = []
    waiter = threading.Thread(target=lambda: answers.append(client.wait_until_ready(made["id"], timeout=30)))
    waiter.start()
    company.owner.send("POST", f"{ADMIN}/approvals/{made['approval']['id']}/approve", {})
    waiter.join(30)
    assert [answer["status"] for answer in answers] == ["ready"]


def test_the_stream_tells_what_happens_and_goes_on_where_it_was_left(client: Any) -> None:
    """Over HTTP: begun anew behind a notice it brings what came after it, each of them once."""
    made = client.request_purchase(**ask())
    with closing(client.stream(last_event_id="0")) as notices:
        first = next(notices)
        assert (first["purchase_id"], first["agent_id"]) == (made["id"], made["agent_id"])
        told = [first["type"]]
        while told[-1] != "purchase.ready":
            told.append(next(notices)["type"])
    assert len(told) == len(set(told))
    client.cancel_purchase(made["id"])
    with closing(client.stream(last_event_id=first["id"])) as notices:
        again = [next(notices)["type"]]
        while again[-1] != "purchase.canceled":
            again.append(next(notices)["type"])
    assert again[: len(told) - 1] == told[1:]
    assert len(again) == len(set(again))
    with closing(client.stream(last_event_id="nonsense")) as notices, pytest.raises(RoonyError) as refused:
        next(notices)
    assert (refused.value.status, refused.value.field) == (422, "Last-Event-ID")


def test_nobody_there(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roony.client.exchange.FIRST_PAUSE_SECONDS", 0.0)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        connect("http://127.0.0.1:9", "roony_agent_x").check_budget()


def test_a_key_that_is_not_known(roony: ServedRoony, connect: Connect) -> None:
    with pytest.raises(RoonyError) as refused:
        connect(roony.url, "roony_agent_nobody").check_budget()
    assert (refused.value.status, refused.value.code) == (401, "unauthorized")


def test_a_sealed_card_is_opened_here(roony: ServedRoony, company: Company, connect: Connect) -> None:
    made, caller = company.agent(budgets=[MONTH], controls={"delivery": "sealed"})
    company.owner.send("PUT", f"{ADMIN}/agents/{made['id']}/public_key", json.loads(KEY.public))
    client = connect(roony.url, caller.key)
    purchase = client.request_purchase(**ask())
    assert "number" not in purchase["card"]
    closed = client.get_card(purchase["id"])
    assert closed.keys() == {"delivery", "jwe"}
    opened = client.get_card(purchase["id"], private_key=KEY.jwk)
    assert (opened["delivery"], opened["purchase_id"]) == ("opened", purchase["id"])
    assert opened["number"].endswith(purchase["card"]["last4"])
    with pytest.raises(CannotOpen, match="It was sealed to the key"):
        client.get_card(purchase["id"], private_key=new_private_key().jwk)


def test_a_file_that_is_no_private_key_uses_up_no_delivery(
    company: Company, roony: ServedRoony, connect: Connect
) -> None:
    made, caller = company.agent(budgets=[MONTH], controls={"delivery": "sealed"})
    company.owner.send("PUT", f"{ADMIN}/agents/{made['id']}/public_key", json.loads(KEY.public))
    client = connect(roony.url, caller.key)
    purchase = client.request_purchase(**ask())
    for wrong in ("", "no key", KEY.public, "[]", "{}"):
        with pytest.raises(InvalidPrivateKey):
            client.get_card(purchase["id"], private_key=wrong)
    for _ in range(5):
        assert client.get_card(purchase["id"], private_key=KEY.jwk)["delivery"] == "opened"


def test_a_card_sealed_for_another_purchase_is_not_taken() -> None:
    jwe = seal(KEY.public, {"number": "4000009990001234", "purchase_id": "pur_other"})
    server = httpx2.MockTransport(lambda request: httpx2.Response(200, json={"delivery": "sealed", "jwe": jwe}))
    with Roony("http://roony", "k", transport=server) as client, pytest.raises(CannotOpen, match="another purchase"):
        client.get_card("pur_1", private_key=KEY.jwk)


# The clients themselves


def test_both_clients_have_the_same_methods() -> None:
    talks = {
        name for name, made in vars(operations).items()
        if inspect.isgeneratorfunction(made) and not name.startswith("_") and made.__module__ == operations.__name__
    }  # fmt: skip
    assert talks
    for kind in (Roony, AsyncRoony):
        assert talks <= vars(kind).keys()
        for name in talks:
            assert inspect.signature(vars(kind)[name]) == inspect.signature(getattr(operations, name))


@pytest.mark.parametrize("kind", [Roony, AsyncRoony])
def test_without_a_key_or_an_address_nothing_is_made(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROONY_AGENT_KEY", raising=False)
    for url, key in (("http://localhost", None), ("http://localhost", "a\nb"), ("http://localhost:x", "k")):
        with pytest.raises(ValueError, match=r"key|address"):
            kind(url, key)


def test_it_reads_address_and_key_from_the_environment(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROONY_URL", roony.url)
    monkeypatch.setenv("ROONY_AGENT_KEY", str(company.agent(budgets=[MONTH])[1].key))
    with Roony() as client:
        assert client.list_purchases()["data"] == []


def test_the_client_brings_no_server_with_it() -> None:
    """An agent's machine pays neither the time nor the memory of a web framework and a database."""
    code = "import sys, roony.client; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    unwanted = {"alembic", "cryptography", "fastapi", "joserfc", "mcp", "pydantic", "rich", "sqlalchemy", "starlette"}
    loaded = {name.partition(".")[0] for name in names}
    assert "httpx2" in loaded
    assert unwanted.isdisjoint(loaded)
    assert {name.split(".")[1] for name in names if name.startswith("roony.")} == {"client", "core"}
