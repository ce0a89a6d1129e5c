"""What the door for webhooks refuses: bad signatures, bodies that are no event, too much; and nothing is written."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.journeys.test_at_once import capture_of
from tests.support.served import WEBHOOK, Buyer, Simulation, event, sign, until

MEBIBYTE = 1024 * 1024


@pytest.fixture
def posted(roony: Simulation) -> dict[str, Any]:
    """An event of a type Roony handles, about nothing it knows."""
    card = {"id": "ic_nobodys", "object": "issuing.card", "status": "active", "last4": "4242", "metadata": {}}
    return event(roony.account, "issuing_card.updated", {**card, "exp_month": 1, "exp_year": 2031}, roony.now())


def refused(roony: Simulation, body: bytes, headers: dict[str, str], status: int = 400) -> dict[str, Any]:
    """Posts what must be refused, and checks that no row was written."""
    with roony.nothing_written():
        answer = roony.post_raw(body, headers)
        assert answer.status == status, answer
    error: dict[str, Any] = answer.body["error"]
    assert error["code"]
    assert error["message"]
    return error


def test_a_signature_must_fit(roony: Simulation, posted: dict[str, Any]) -> None:
    """Bad, missing, forged with another secret, of another body, or of another time."""
    body, now, secret = json.dumps(posted).encode(), roony.now(), roony.ready["webhook_secret"]
    good = sign(body, secret, now)
    mark = good.partition(",v1=")[2]
    for header in (
        "", "t=", "v1=", "nonsense", f"t={now}", f"v1={mark}", f"t={now},v1=", f"t={now},v0={mark}",
        f"t={now},v1={mark[:-1]}", f"t={now},v1={mark.upper()}", f"t={now + 1},v1={mark}", f"t=-{now},v1={mark}",
        f"t={now}.0,v1={mark}", f"t= {now},v1={mark}", f"t={'9' * 30},v1={mark}", f"t={now},v1={'0' * 64}",
        sign(body, "whsec_of_somebody_else", now), sign(body, "", now), sign(body + b" ", secret, now),
        ",".join([f"t={now}", *[f"v1={'0' * 64}"] * 20, f"v1={mark}"]),
    ):  # fmt: skip
        assert refused(roony, body, {"Stripe-Signature": header})["code"] == "bad_signature", header
    assert refused(roony, body, {})["code"] == "bad_signature"
    told = {check["id"]: check["status"] for check in roony.owner.get("/api/v1/admin/doctor")["checks"]}
    assert told["webhook_signatures"] == "warning"
    assert roony.post_raw(body, {"Stripe-Signature": good}).status == 200


@pytest.mark.parametrize("shift", [-301, -86_400, 360, 86_400])
def test_an_old_or_future_signature_is_refused(roony: Simulation, posted: dict[str, Any], shift: int) -> None:
    """Five minutes in either direction, on Roony's clock."""
    body = json.dumps(posted).encode()
    # Roony looks at the clock later, on a slow machine by seconds: what is of the past only gets older.
    at = roony.now() + shift
    assert refused(roony, body, {"Stripe-Signature": sign(body, roony.ready["webhook_secret"], at)})


@pytest.mark.parametrize("shift", [-240, 290])
def test_a_signature_a_little_off_is_taken(roony: Simulation, posted: dict[str, Any], shift: int) -> None:
    """Clocks differ."""
    assert roony.post(posted, at=roony.now() + shift).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"", b"not json", b"[]", b"{}", b"null", b'"text"', b"\xff\xfe", b'{"id": "evt_1"}', b"[" * 100_000,
        b'{"id": 5, "type": "x", "livemode": false, "created": 1, "data": {"object": {}}}',
        b'{"id": "", "type": "x", "livemode": false, "created": 1, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "livemode": "false", "created": 1, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "livemode": false, "created": 99999999999999999, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "livemode": false, "created": 1, "data": {}}',
        b'{"id": "evt_' + b"1" * 300 + b'", "type": "x", "livemode": false, "created": 1, "data": {"object": {}}}',
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_refused(roony: Simulation, body: bytes) -> None:
    """Stripe never sends such a thing; sending it again would not help."""
    header = sign(body, roony.ready["webhook_secret"], roony.now())
    assert refused(roony, body, {"Stripe-Signature": header})["code"] == "unreadable"


def test_a_type_roony_does_not_need_is_kept_as_ignored(roony: Simulation) -> None:
    """Nothing that Stripe reported is dropped; its sender is told that it arrived."""
    unknown = event(roony.account, "something.new_in_2027", {"id": "thing_1"}, roony.now())
    roony.settle()
    before = roony.rows()["inbox"]
    for _ in range(3):
        assert roony.post(unknown).status == 200
    assert roony.rows()["inbox"] == before + 1
    # It changes no money, so no organization is looked up for it.
    assert roony.post(event(None, "something.new_in_2027", {}, roony.now())).status == 200
    assert roony.rows()["inbox"] == before + 2


def test_an_event_of_nobodys_account_is_kept_as_ignored(roony: Simulation, posted: dict[str, Any]) -> None:
    """It is not lost, and it reaches no organization."""
    roony.settle()
    before = roony.rows()
    for stranger in (
        {**posted, "id": "evt_s1", "account": "acct_nobody"},
        {**posted, "id": "evt_s2", "livemode": True},
    ):
        assert roony.post(stranger).status == 200
    after = roony.rows()
    assert after.pop("inbox") == before.pop("inbox") + 2
    assert after == before


PAN = "4000009990000278"


def test_card_data_that_somebody_wrote_into_an_event_is_not_kept(roony: Simulation, buyer: Buyer) -> None:
    """Neither of a request that is decided, nor of an event; both mean what they meant."""
    bought = buyer.buy(1_000, "Figma")
    requested = roony.request_event(bought.stripe_card, 1_000, "FIGMA", merchant_data={
        "name": "FIGMA", "city": f"call {PAN[:4]} {PAN[4:8]} {PAN[8:12]} {PAN[12:]}", "network_id": PAN,
    })  # fmt: skip
    requested["data"]["object"]["card"] |= {"number": PAN, "cvc": "731"}
    answer = roony.post(requested)
    assert (answer.approved, answer.code) == (True, "APPROVED")
    said = {"id": "thing_1", "note": f"{PAN}, sk_test_51HxxPretend", "cvc": "731"}
    told = event(roony.account, "something.new", said, roony.now())
    assert roony.post(told).status == 200
    kept = roony.payloads()
    for payload in (kept[requested["id"]], kept[told["id"]]):
        assert PAN.encode() not in payload.replace(b'"network_id": "%s"' % PAN.encode(), b"")
        # In quotes: an id or a time may have these three digits.
        assert b'"731"' not in payload
        assert b"51Hxx" not in payload
    thing = json.loads(kept[requested["id"]])["data"]["object"]
    assert thing["merchant_data"]["network_id"] == PAN
    assert thing["merchant_data"]["city"] == "call **** **** **** ****"


@pytest.mark.parametrize("name", [f"Shop e5cb{PAN}", f"Shop {PAN[:4]} {PAN[4:8]} {PAN[8:12]} {PAN[12:]}"])
def test_a_merchant_with_a_card_number_in_its_name_is_the_one_that_was_approved(
    roony: Simulation, buyer: Buyer, name: str
) -> None:
    """The number is taken out of what the agent says and of what Stripe says alike."""
    bought = buyer.buy(1_000, name)
    answer = roony.post(roony.request_event(bought.stripe_card, 1_000, name.upper()))
    assert (answer.approved, answer.code) == (True, "APPROVED")
    assert PAN not in str(buyer.purchase(bought.id))


# NUL and half a surrogate pair: JSON writes them, a database does not hold them.
UNHOLDABLE = ["\x00", "\ud83d"]


@pytest.mark.parametrize("odd", UNHOLDABLE, ids=["nul", "half a pair"])
def test_text_that_no_database_holds_spoils_nothing(roony: Simulation, buyer: Buyer, odd: str) -> None:
    """P12: a request with it is decided, an event with it is applied, and neither costs its neighbours anything."""
    bought = buyer.buy(1_000, "Figma")
    shop = {"city": f"San{odd}Francisco", "url": f"https://figma.example/{odd}", "name": f"FIGMA {odd}"}
    requested = roony.request_event(bought.stripe_card, 1_000, "FIGMA", merchant_data=shop)
    answer = roony.post(requested)
    assert (answer.approved, answer.code) == (True, "APPROVED")
    assert roony.event_state(requested["id"]) == "applied"
    entry = {"amount": 1_000, "approved": True, "reason": "webhook_approved", "created": roony.now(), "currency": "usd"}
    said = {
        **requested["data"]["object"], "approved": True, "amount": 1_000, "pending_request": None,
        "request_history": [entry],
    }  # fmt: skip
    stated = event(roony.account, "issuing_authorization.created", said, roony.now())
    assert roony.post(stated).status == 200
    until(lambda: roony.event_state(stated["id"]), "applied")
    assert buyer.purchase(bought.id)["status"] == "authorized"
    capture = capture_of(bought, requested["data"]["object"]["id"], 1_000, roony.now())
    capture["merchant_data"] = {**capture["merchant_data"], "name": f"FIGMA {odd}"}
    assert roony.post(event(roony.account, "issuing_transaction.created", capture, roony.now())).status == 200
    until(lambda: roony.purchase(bought.id)["captured_amount"], 1_000)
    report = roony.owner.get("/api/v1/admin/reports/spend", params={"by": "category"})
    assert sum(row["captured_amount"] for row in report["rows"]) >= 1_000
    unknown = event(roony.account, "something.new", {"id": f"thing_{odd}"}, roony.now())
    assert roony.post({**unknown, "id": f"evt_{odd}{roony.now()}"}).status == 200


@pytest.mark.parametrize("query", ["", "status=%00", "purchase_id=%00", "agent_id=a%00b", "cursor=%00"])
def test_no_question_with_a_nul_is_an_outage(roony: Simulation, buyer: Buyer, query: str) -> None:
    """It is nothing that is there, on either database."""
    path = f"?{query}" if query else "/pur_%00"
    assert roony.owner.call("GET", f"/api/v1/admin/purchases{path}").status_code in (404, 422)
    assert buyer.api.call("GET", f"/api/v1/purchase_intents{path}").status_code in (404, 422)


def test_only_post_is_served(roony: Simulation) -> None:
    """A browser that opens the address is told so."""
    with roony.nothing_written():
        for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS"):
            answer = roony.web.request(method, WEBHOOK)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), method


def conversation(roony: Simulation, *parts: bytes) -> bytes:
    """Sends bytes and returns the answer, read until Roony hangs up or nothing more comes."""
    address = urlsplit(roony.url)
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=60) as wire:
        for part in parts:
            wire.sendall(part)
        answer = b""
        while b"\r\n\r\n" not in answer and (some := wire.recv(65_536)):
            answer += some
    return answer


def head(*lines: str) -> bytes:
    """The head of a POST to the door."""
    return "\r\n".join([f"POST {WEBHOOK} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


@pytest.mark.parametrize("length", [MEBIBYTE + 1, 10**12])
def test_a_body_said_to_be_too_large_is_refused_without_reading_it(roony: Simulation, length: int) -> None:
    """Answered while not one byte of the body was sent."""
    with roony.nothing_written():
        answer = conversation(roony, head(f"Content-Length: {length}"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_chunked_body_is_refused_where_it_becomes_too_large(roony: Simulation) -> None:
    """Answered although its end never comes."""
    chunk = b"x" * 65_536
    part = b"%x\r\n" % len(chunk) + chunk + b"\r\n"
    with roony.nothing_written():
        answer = conversation(roony, head("Transfer-Encoding: chunked"), part * 16, b"2\r\nxx\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_arrive_is_not_waited_for(roony: Simulation) -> None:
    """A trickle holds nothing up for longer than a second."""
    with roony.nothing_written():
        answer = conversation(roony, head("Content-Length: 1000"), b"{")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_of_exactly_one_mebibyte_is_read(roony: Simulation, posted: dict[str, Any]) -> None:
    """The limit itself is allowed; one byte more is not, though it is signed."""
    secret = roony.ready["webhook_secret"]
    body = json.dumps({**posted, "padding": ""}).encode()
    padded = json.dumps({**posted, "padding": "x" * (MEBIBYTE - len(body))}).encode()
    assert len(padded) == MEBIBYTE
    assert roony.post(padded).status == 200
    larger = padded + b" "
    assert refused(roony, larger, {"Stripe-Signature": sign(larger, secret, roony.now())}, 413)["code"] == "too_large"
