"""Asks that are no asks, refused with code, field and message while nothing is written; and asks over a limit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.served import SOFTWARE, Buyer, Simulation, unique

ASK = "/api/v1/purchase_intents"
GOOD = {"amount": 4_900, "currency": "usd", "description": "1 month Figma", "merchant": {"name": "Figma", **SOFTWARE}}
MERCHANT: dict[str, Any] = {"name": "Figma", **SOFTWARE}


def raw(**changes: str) -> bytes:
    """The good ask with some values written as given, whether or not that is JSON."""
    written = {name: json.dumps(value) for name, value in GOOD.items()} | changes
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in written.items()) + "}").encode()


def without(name: str) -> dict[str, Any]:
    """The good ask less one field."""
    return {key: value for key, value in GOOD.items() if key != name}


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    *[({**GOOD, "amount": amount}, "amount") for amount in (
        -1, 0, 10**12, 10**30, 10**300, 49.0, 49.5, "4900", "49.00", "", True, False, None, [4_900], {"value": 4_900},
    )],
    *[({**GOOD, "currency": currency}, "currency") for currency in (
        "USD", "us", "usdd", "xxx", "", "u$d", "ｕｓｄ", 840, None, ["usd"],
    )],
    *[({**GOOD, "description": text}, "description") for text in (
        "", "x" * 2_001, "bell \x07", "\x00", "turned \u202e", "\x1b[2J", "half \ud800", 5, None, ["text"],
    )],
    *[({**GOOD, "merchant": merchant}, "merchant") for merchant in ("Figma", None, [], 5)],
    *[({**GOOD, "merchant": {**MERCHANT, "name": name}}, "merchant.name") for name in (
        "", " ", "x" * 201, "two\nlines", "tab\t", "nul\x00", 5, None, ["Figma"],
    )],
    *[({**GOOD, "merchant": {**MERCHANT, "country": country}}, "merchant.country") for country in (
        "USA", "U", "", "ZZ", "U1", 5, ["US"],
    )],
    *[({**GOOD, "merchant": {**MERCHANT, "category": category}}, "merchant.category") for category in (
        "no_such_category", "", "57345", 5734, ["software"],
    )],
    *[({**GOOD, "merchant": {**MERCHANT, "url": url}}, "merchant.url") for url in (
        "javascript:alert(1)", "not an address", "x" * 501, "", 5,
    )],
    ({**GOOD, "merchant": {**MERCHANT, "network_id": "x" * 65}}, "merchant.network_id"),
    ({**GOOD, "merchant": {**MERCHANT, "more": 1}}, "merchant.more"),
    ({**GOOD, "merchant": SOFTWARE}, "merchant.name"),
    ({**GOOD, "approved": True}, "approved"),
    ({**GOOD, "Amount": 4_900}, "Amount"),
    ({**GOOD, "tolerance_percent": 10_000}, "tolerance_percent"),
    *[({**GOOD, "project_id": id}, "project_id") for id in ("", "../etc", "x" * 65, 5)],
    *[({**GOOD, "task_id": id}, "task_id") for id in ("", "x" * 129, "two\nlines", 5)],
    *[({**GOOD, "merchant_lock": word}, "merchant_lock") for word in ("monitor", "none", "", True)],
    *[({**GOOD, "allow_duplicate": word}, "allow_duplicate") for word in ("true", 1, 0, None)],
    *[({**GOOD, "metadata": data}, field) for data, field in (
        ("text", "metadata"), ([], "metadata"), ({"a": 5}, "metadata.a"), ({"a": None}, "metadata.a"),
        ({"a": {"b": "c"}}, "metadata.a"), ({"a": "x" * 501}, "metadata.a"),
        ({f"key{place}": "x" for place in range(51)}, "metadata"),
    )],
    *[(without(name), name) for name in GOOD],
]  # fmt: skip


def test_a_project_that_is_not_there_is_not_found(roony: Simulation) -> None:
    with roony.nothing_written():
        error = roony.agent.refused(404, "POST", ASK, {**GOOD, "project_id": "prj_somebodys"})
    assert (error["code"], error["field"]) == ("not_found", "project_id")


@pytest.mark.parametrize(("body", "field"), BAD_FIELDS, ids=[f"{field}-{n}" for n, (_, field) in enumerate(BAD_FIELDS)])
def test_a_field_that_is_wrong_is_named(roony: Simulation, body: dict[str, Any], field: str) -> None:
    """422 with a message a person understands; no row in any table, no record in the audit chain."""
    content = json.dumps(body).encode()
    with roony.nothing_written():
        answer = roony.agent.call("POST", ASK, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == "invalid"
    assert error["field"] == field
    assert error["message"].endswith(".")


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b"", 422, None),
        (b"{", 400, None),
        (b"null", 422, None),
        (b"[]", 422, None),
        (b'"text"', 422, None),
        (b"\xff\xfe", 400, None),
        (b"[" * 100_000, 400, None),
        (raw(amount="NaN"), 422, "amount"),
        (raw(amount="Infinity"), 422, "amount"),
        (raw(amount="-Infinity"), 422, "amount"),
        (raw(amount="4.9e3"), 422, "amount"),
        (raw(amount="9" * 5_000), 422, "amount"),
        (raw(amount="04900"), 400, None),
        (raw(amount="4900, \"amount\": 100"), 422, "amount"),
        (raw(merchant='{"name": "Figma", "name": "Casino"}'), 422, "name"),
        (raw(description='"half \\ud800"'), 422, "description"),
        (raw(description='"' + "x" * 300_000 + '"'), 413, None),
        (raw() + b"}", 400, None),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_body_that_is_no_ask_is_refused(roony: Simulation, content: bytes, status: int, field: str | None) -> None:
    """Whatever a JSON reader could make of it: nothing is guessed."""
    with roony.nothing_written():
        answer = roony.agent.call("POST", ASK, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"].get("field") == field


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "json"]
)
def test_a_body_of_another_kind_is_refused(roony: Simulation, kind: str) -> None:
    """Only JSON is read."""
    with roony.nothing_written():
        answer = roony.agent.call("POST", ASK, content=raw(), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("key", ["", "x" * 256, "two\twords", "ünïcode"])
def test_an_idempotency_key_that_is_none_is_refused(roony: Simulation, key: str) -> None:
    """1 to 255 printable characters."""
    headers = {"Idempotency-Key": key.encode()}
    with roony.nothing_written():
        answer = roony.agent.call("POST", ASK, GOOD, headers=headers)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "Idempotency-Key")


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer roony_agent_0000", "Basic eDp5", "roony"])
def test_without_a_good_key_nothing_is_read(roony: Simulation, key: str) -> None:
    """Not even the body is looked at."""
    with roony.nothing_written():
        answer = roony.web.post(ASK, content=b"{", headers={"Authorization": key} if key else {})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


def test_an_owners_key_cannot_ask_and_an_agents_cannot_rule(roony: Simulation, buyer: Buyer) -> None:
    """An agent cannot approve, and cannot loosen its own rules."""
    with roony.nothing_written():
        assert roony.owner.call("POST", ASK, GOOD).status_code in (401, 403)
        for path in ("agents", "approvals/apr_1/approve", "unfreeze", "budgets"):
            assert buyer.api.call("POST", f"/api/v1/admin/{path}", {}).status_code in (401, 403), path


def test_another_agents_purchase_is_not_there(roony: Simulation, buyer: Buyer) -> None:
    """The same as one that never was."""
    bought = buyer.buy(1_000, unique("Figma"))
    stranger = roony.buyer(project_id=buyer.project_id)
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/card")):
        error = stranger.api.refused(404, method, f"{ASK}/{bought.id}{path}")
        missing = stranger.api.refused(404, method, f"{ASK}/pur_0000{path}")
        assert error["code"] == missing["code"] == "not_found"
        assert error["message"].replace(bought.id, "") == missing["message"].replace("pur_0000", "")
    assert stranger.api.get(ASK)["data"] == []
    assert buyer.purchase(bought.id)["status"] == "ready"


def test_one_key_with_another_body_is_a_conflict(roony: Simulation, buyer: Buyer) -> None:
    """The same key means the same wish."""
    merchant = unique("Figma")
    first = buyer.ask(1_000, merchant, key="one")
    with roony.nothing_written():
        headers = {"Idempotency-Key": "one"}
        error = buyer.api.refused(409, "POST", ASK, buyer.wish(1_001, merchant), headers=headers)
        assert error["code"] == "idempotency_conflict"
        replay = buyer.api.send("POST", ASK, buyer.wish(1_000, merchant), 200, headers=headers)
    assert replay["id"] == first["id"]


@pytest.mark.parametrize(("currency", "shown"), [("jpy", "5000 JPY"), ("krw", "5000 KRW"), ("eur", "50.00 EUR")])
def test_an_amount_is_shown_in_its_own_units(roony: Simulation, buyer: Buyer, currency: str, shown: str) -> None:
    """Zero-decimal currencies stay whole units: 5000 yen are not 50.00."""
    merchant = unique("Figma")
    declined = buyer.ask(5_000, merchant, currency=currency)
    assert (declined["status"], declined["amount"], declined["currency"]) == ("declined", 5_000, currency)
    assert declined["decision"]["reasons"][0]["code"] == "CURRENCY_NOT_SUPPORTED"
    assert declined["card"] is None
    message = declined["decision"]["reasons"][0]["message"]
    assert currency.upper() in message
    assert shown in message.replace(",", "")
    assert buyer.standings()[:2] == [(0, 0), (0, 0)]


def test_the_demo_agent_has_its_limits(roony: Simulation) -> None:
    """Software at any merchant in the US, up to 500.00 a purchase and 5,000.00 a month, tolerance 0."""
    [control] = roony.agent.get("/api/v1/controls")["data"]
    assert control["controls"]["purchase_limit"] == 50_000
    assert control["controls"]["tolerance_amount"] == 0
    assert control["controls"]["allowed_countries"] == ["US"]
    [month] = [row for row in roony.agent.get("/api/v1/budgets")["data"] if row["limit"] is not None]
    assert (month["scope"], month["period"], month["limit"]) == ("agent", "month", 500_000)
    answers = []
    for place in range(12):
        body = {**GOOD, "amount": 50_000, "merchant": {"name": f"Shop {place}", **SOFTWARE}}
        answers.append(roony.agent.send("POST", ASK, body, 201))
    assert [answer["status"] for answer in answers] == ["ready"] * 10 + ["declined"] * 2
    assert answers[-1]["decision"]["reasons"][0]["code"] == "BUDGET_EXCEEDED"
    over = roony.agent.send("POST", ASK, {**GOOD, "amount": 50_001}, 201)
    assert over["decision"]["reasons"][0]["code"] == "OVER_PURCHASE_LIMIT"
