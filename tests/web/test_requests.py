"""What a request may look like: everything else is refused with a field, and writes nothing."""

from __future__ import annotations

import inspect
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import routing
from fastapi.routing import APIRoute

from roony.core.purchase import Purchase
from roony.web import agent_api, receipts, rules, stream
from roony.web.admin_api import routes as admin_routes
from roony.web.errors import Refused
from roony.web.requests import parse
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH

ASK = "/api/v1/purchase_intents"
GOOD: dict[str, Any] = {
    "amount": 12_999,
    "currency": "usd",
    "description": "1 month Figma",
    "merchant": {"name": "Figma", "country": "US"},
}


def test_no_dependency_costs_a_thread() -> None:
    """FastAPI runs one that is no coroutine on a thread of its pool, for each request."""
    parts = (agent_api.router.routes, rules.router.routes, receipts.router.routes, stream.router.routes, admin_routes)
    waiting = [route.dependant for routes in parts for route in routes if isinstance(route, APIRoute)]
    assert len(waiting) > 100
    while waiting:
        waiting += (one := waiting.pop()).dependencies
        call = one.call
        assert inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__), call


def test_no_answer_is_copied_before_it_is_written(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI's encoder takes ten times as long for a page of purchases as writing it does."""
    copied: list[Any] = []
    monkeypatch.setattr(routing, "jsonable_encoder", copied.append)
    _, agent = company.agent(budgets=[MONTH])
    agent.send("POST", ASK, {**GOOD, "description": "Büro → 東京"}, 201)
    [bought] = company.owner.get("/api/v1/admin/purchases")["data"]
    assert bought["description"] == "Büro → 東京"
    assert agent.get(f"{ASK}/{bought['id']}") == bought
    assert copied == []


@pytest.mark.parametrize(
    "body",
    [
        rb'{"a":"x\u0000"}', rb'{"a\n":1}', b'{"a":"x\x7f"}', '{"a":["\u202e"]}'.encode(), rb'["\ud800"]',
        b"[" * 34 + b"]" * 34, b'{"a":' * 34 + b"1" + b"}" * 34,
    ],
)  # fmt: skip
def test_what_no_text_may_have_is_seen_in_whatever_way_it_is_written(body: bytes) -> None:
    """Bodies without an escape or a foreign letter are not looked at text by text."""
    with pytest.raises(Refused):
        parse(body)


@pytest.mark.parametrize(
    "body", [b"[" * 33 + b"]" * 33, rb'{"a":"b\nc"}', b'["' + b"{" * 50 + b'"]', '{"ä":"é"}'.encode()]
)
def test_what_is_fine_is_read_as_json_has_it(body: bytes) -> None:
    assert parse(body) == json.loads(body)


@pytest.fixture
def agent(company: Company) -> Caller:
    return company.agent(budgets=[MONTH])[1]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good body with one thing changed; `merchant.name` reaches inside."""
    body: dict[str, Any] = json.loads(json.dumps(GOOD))
    *outer, name = path.split(".")
    target = body
    for part in outer:
        target = target[part]
    target[name] = value
    return body


BAD_FIELDS = [
    ("amount", 0), ("amount", -1), ("amount", 1.5), ("amount", 100.0), ("amount", "100"), ("amount", True),
    ("amount", None), ("amount", 10**12), ("amount", 10**40), ("amount", []), ("amount", {}),
    ("currency", "xxx"), ("currency", "USD"), ("currency", "us"), ("currency", ""), ("currency", 840),
    ("description", ""), ("description", None), ("description", "x" * 2_001), ("description", "a\x00b"),
    ("description", "a\tb"), ("description", "a\u202eb"), ("description", 5),
    ("merchant", None), ("merchant", "Figma"), ("merchant", []), ("merchant.name", ""), ("merchant.name", "  "),
    ("merchant.name", "x" * 201), ("merchant.name", "Fig\nma"), ("merchant.name", "Fig\x1bma"), ("merchant.name", 7),
    ("merchant.country", "USA"), ("merchant.country", "ZZ"), ("merchant.country", 1),
    ("merchant.category", "no_such_trade"), ("merchant.category", "12345"), ("merchant.url", "javascript:alert(1)"),
    ("merchant.url", "x y"), ("merchant.url", "https://" + "a" * 500 + ".com"), ("merchant.network_id", ""),
    ("merchant.extra", 1), ("extra", 1), ("amount_cents", 1), ("task_id", ""), ("task_id", "x" * 129), ("task_id", 5),
    ("project_id", "x/y"), ("project_id", ""), ("merchant_lock", "loose"),
    ("merchant_lock", "monitor"), ("allow_duplicate", "true"), ("allow_duplicate", 1), ("allow_duplicate", None),
    ("metadata", []), ("metadata", {"a": 1}), ("metadata", {"a": None}), ("metadata", {"": "x"}),
    ("metadata", {"k" * 41: "x"}), ("metadata", {"k": "x" * 501}), ("metadata", {str(i): "x" for i in range(51)}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), BAD_FIELDS, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("address", [ASK, f"{ASK}/preview"])
def test_a_wrong_field_is_named_and_nothing_is_written(
    roony: ServedRoony, agent: Caller, address: str, path: str, value: Any
) -> None:
    error = agent.refused(422, "POST", address, changed(path, value))
    assert error["field"].startswith(path.partition(".")[0])
    if path.startswith("merchant.") and "merchant.extra" not in path:
        assert error["field"] == path
    assert agent.get(ASK)["data"] == []


@pytest.mark.parametrize("address", [ASK, f"{ASK}/preview"])
def test_a_project_of_somebody_else_is_not_there(agent: Caller, company: Company, address: str) -> None:
    """P7: nor is one of the organization that the agent is not in; both answers are the same."""
    other = company.owner.send("POST", "/api/v1/admin/projects", {"name": "Other"}, 201)["id"]
    for id in ("prj_somebody_elses", other):
        error = agent.refused(404, "POST", address, changed("project_id", id))
        assert error["message"].replace(id, "") == "No project with the id ."
    assert agent.get(ASK)["data"] == []


@pytest.mark.parametrize("name", ["amount", "currency", "description", "merchant"])
def test_a_missing_field_is_named(agent: Caller, name: str) -> None:
    body = {key: value for key, value in GOOD.items() if key != name}
    error = agent.refused(422, "POST", ASK, body)
    assert error["field"] == name
    assert error["message"] == "It is required."


GOOD_TEXT = json.dumps(GOOD)
BAD_BODIES = [
    (b"", 422, None),
    (b"{", 400, None),
    (b"not json", 400, None),
    (GOOD_TEXT.encode() + b"{}", 400, None),
    (b"[]", 422, None),
    (b"null", 422, None),
    (b'"text"', 422, None),
    (b"5", 422, None),
    (GOOD_TEXT.replace("12999", "NaN").encode(), 422, "amount"),
    (GOOD_TEXT.replace("12999", "Infinity").encode(), 422, "amount"),
    (GOOD_TEXT.replace("12999", "-Infinity").encode(), 422, "amount"),
    (GOOD_TEXT.replace("12999", "1e400").encode(), 422, "amount"),
    (GOOD_TEXT.replace("12999", "1e3").encode(), 422, "amount"),
    (GOOD_TEXT.replace("12999", "9" * 5_000).encode(), 422, "amount"),
    (GOOD_TEXT.replace("12999", '12999, "amount": 1').encode(), 422, "amount"),
    (GOOD_TEXT.replace('"Figma"', '"Figma", "name": "Other"').encode(), 422, "name"),
    (GOOD_TEXT.replace("Figma", "Fig\\ud800ma").encode(), 422, "description"),
    (GOOD_TEXT.replace('"amount"', '"am\\ud800"').encode(), 422, None),
    (GOOD_TEXT.encode().replace(b"Figma", b"\xff\xfe"), 400, None),
    (GOOD_TEXT.encode("utf-16"), 400, None),
    (b"\xef\xbb\xbf" + GOOD_TEXT.encode(), 400, None),
    (b"[" * 100_000, 400, None),
    (b'{"a":' * 40 + b"1" + b"}" * 40, 400, None),
]


@pytest.mark.parametrize(("body", "status", "field"), BAD_BODIES, ids=lambda value: str(value)[:40])
def test_a_body_that_is_not_plain_json_is_refused(agent: Caller, body: bytes, status: int, field: str | None) -> None:
    headers = {"Content-Type": "application/json"}
    error = agent.refused(status, "POST", ASK, content=body, headers=headers)
    assert error.get("field") == field
    assert agent.get(ASK)["data"] == []


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/json",
             "application/json; charset=utf-16", "application/merge-patch+json"],
)  # fmt: skip
def test_only_json_is_taken(agent: Caller, kind: str) -> None:
    agent.refused(415, "POST", ASK, content=GOOD_TEXT.encode(), headers={"Content-Type": kind})


def test_json_with_a_charset_is_taken(agent: Caller) -> None:
    headers = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
    agent.send("POST", ASK, None, 201, content=GOOD_TEXT.encode(), headers=headers)


def test_what_looks_odd_but_is_fine_is_taken(agent: Caller) -> None:
    body = changed("merchant", {
        "name": "Škoda Auto 日本 — “Café” 🚗", "url": "shop.example.co.uk:8443/a?b=c#d", "country": "cz",
        "category": "car_rental_agencies", "network_id": "1234567890",
    })  # fmt: skip
    body |= {"description": "two\nlines", "metadata": {"cost centre": "R&D\n7"}, "task_id": "t 1"}
    made = agent.send("POST", ASK, body, 201)
    assert made["merchant"]["country"] == "CZ"
    assert made["merchant"]["category"] == "7512"
    assert made["metadata"] == {"cost centre": "R&D\n7"}


def test_a_body_of_256_kib_is_read_and_one_byte_more_is_not(agent: Caller) -> None:
    headers = {"Content-Type": "application/json"}
    full = GOOD_TEXT + " " * (256 * 1024 - len(GOOD_TEXT))
    agent.send("POST", ASK, None, 201, content=full.encode(), headers=headers)
    agent.refused(413, "POST", ASK, content=(full + " ").encode(), headers=headers)


def test_a_large_body_is_refused_without_reading_on(roony: ServedRoony, agent: Caller) -> None:
    """The length alone is enough; without one, reading stops at the limit and the connection is closed."""
    key = agent._http.headers["authorization"]
    head = f"POST {ASK} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n"
    for rest in (
        b"Content-Length: 999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b" " * 65_536 + b"\r\n",
    ):
        answer = _raw(
            roony.url, head.encode() + rest, b"10000\r\n" + b" " * 65_536 + b"\r\n" if b"chunked" in rest else b""
        )
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"connection: close" in answer.lower()


def _raw(url: str, first: bytes, again: bytes) -> bytes:
    """Sends, goes on sending for as long as it may, and returns what came back."""
    parts = urlsplit(url)
    assert parts.hostname
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=60) as connection:
        connection.sendall(first)
        for _ in range(5 if again else 0):
            try:
                connection.sendall(again)
            except OSError:
                break
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65_536)
            if not part:
                break
            received += part
        return received


@pytest.mark.parametrize("length", ["-1", "abc", "9" * 20])
def test_a_senseless_length_is_refused(roony: ServedRoony, agent: Caller, length: str) -> None:
    key = agent._http.headers["authorization"]
    head = f"POST {ASK} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Length: {length}\r\n\r\n"
    assert _raw(roony.url, head.encode(), b"").startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "smörgås"])
def test_an_idempotency_key_is_short_and_printable(agent: Caller, key: str) -> None:
    error = agent.refused(422, "POST", ASK, GOOD, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert error["field"] == "Idempotency-Key"


def test_two_idempotency_keys_are_one_too_many(agent: Caller) -> None:
    agent.refused(422, "POST", ASK, GOOD, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor"),
        ("cursor=bnVsbA", "cursor"), ("cursor=W10", "cursor"), ("cursor=" + "A" * 501, "cursor"),
        ("cursor=WzEsIFwiXQ", "cursor"), ("limits=5", "limits"), ("status=nope", "status"),
        ("cursor=WzEsMl0", "cursor"), ("cursor=%00", "cursor"),
        # Numbers to Python, none to JSON and so to the document.
        ("limit=1_0", "limit"), ("limit=%205", "limit"), ("limit=%2B5", "limit"), ("limit=05", "limit"),
        ("limit=", "limit"),
    ],
)  # fmt: skip
def test_a_wrong_query_is_refused(agent: Caller, query: str, field: str) -> None:
    assert agent.refused(422, "GET", f"{ASK}?{query}")["field"] == field


@pytest.mark.parametrize("wait", ["-1", "56", "nan", "inf", "x", "", "1_0", ".5", "01"])
def test_a_wrong_wait_is_refused(agent: Caller, wait: str) -> None:
    assert agent.refused(422, "GET", f"{ASK}/pur_1?wait={wait}")["field"] == "wait"


@pytest.mark.parametrize("id", ["%00", "a%2Fb", "..%2f", "pur%20x", "x" * 129, "%F0%9F%92%A9"])
def test_an_id_that_cannot_be_one_is_missing(agent: Caller, id: str) -> None:
    agent.refused(404, "GET", f"{ASK}/{id}")


def test_other_methods_are_refused(agent: Caller, company: Company) -> None:
    answer = agent.call("DELETE", ASK)
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert "POST" in answer.headers["allow"] or "GET" in answer.headers["allow"]
    assert company.owner.call("PATCH", "/api/v1/admin/agents", {}).status_code == 405
    assert agent.call("GET", "/api/v1/nowhere").status_code == 404
    assert agent.call("GET", f"{ASK}/").status_code == 404


def test_a_refused_ask_leaves_no_row_and_no_record(roony: ServedRoony, company: Company) -> None:
    """P10: what the schema refuses is not even audited."""
    _, agent = company.agent(budgets=[MONTH])
    before = company.owner.get("/api/v1/admin/organization")["audit_head"]
    agent.refused(422, "POST", ASK, changed("amount", 0), headers={"Idempotency-Key": "k"})
    assert company.owner.get("/api/v1/admin/organization")["audit_head"] == before
    assert roony.books.rows(Purchase, organization_id=company.id) == []
    assert agent.send("POST", ASK, GOOD, 201, headers={"Idempotency-Key": "k"})["amount"] == 12_999


@pytest.mark.parametrize("text", ["0", "1", "yes", "t", "True", ""])
@pytest.mark.parametrize("name", ["dry_run", "force"])
def test_only_true_and_false_are_truth_values(company: Company, name: str, text: str) -> None:
    """What the document calls a boolean; nothing is applied."""
    error = company.owner.refused(422, "PUT", f"/api/v1/admin/rules?{name}={text}", {"rules": {}})
    assert (error["code"], error["field"]) == ("invalid", name)


def test_a_parameter_that_comes_twice_is_refused(company: Company) -> None:
    """As a name in a body: which of the two was meant, nobody could say."""
    _, agent = company.agent()
    error = agent.refused(422, "GET", "/api/v1/controls?task_id=a&task_id=b")
    assert error["field"] == "task_id"
    error = company.owner.refused(422, "GET", "/api/v1/admin/agents?limit=1&project_id=x&limit=1")
    assert error["field"] == "limit"
