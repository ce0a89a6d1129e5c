"""The merchant terminal: what its buttons do, what it shows, who may use it, and how its page is built."""

from __future__ import annotations

import http.client
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import stripe

from roony.simulator.terminal.sentences import reason_in_words
from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, new_card, said

PAGE = "/_simulator/"
FIGMA = {"name": "Figma", "category": "computer_software_stores", "country": "US"}
BALANCE = 10_000_000  # cents an account begins with


def raw(
    simulator: SimulatorProcess, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Send one request with exactly these headers."""
    connection = http.client.HTTPConnection(simulator.url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def press(simulator: SimulatorProcess, path: str, wish: Any) -> Any:
    """Do what a button of the page does; it must succeed."""
    status, _, body = raw(simulator, "POST", f"/_simulator/terminal/{path}", wish)
    assert status == 200, body
    return json.loads(body)


def refused(simulator: SimulatorProcess, path: str, wish: Any) -> tuple[int, dict[str, Any]]:
    """Press a button that must be refused; return the status and the error."""
    status, _, body = raw(simulator, "POST", f"/_simulator/terminal/{path}", wish)
    assert 400 <= status < 500, body
    return status, json.loads(body)["error"]


def shown(simulator: SimulatorProcess, query: str = "") -> Any:
    """Return what the page shows."""
    return json.loads(raw(simulator, "GET", f"/_simulator/terminal/overview{query}")[2])


def charged(simulator: SimulatorProcess, **wish: Any) -> Any:
    """Press Charge."""
    return press(simulator, "charge", {"merchant": FIGMA, "amount": "49.00", "currency": "usd", **wish})


def test_a_typed_number_is_charged_captured_and_refunded(simulator: SimulatorProcess, receiver: Receiver) -> None:
    account = simulator.connect("Acme")
    client = simulator.client(account)
    card = new_card(client)
    secret: Any = client.v1.issuing.cards.retrieve(card.id, {"expand": ["number", "cvc"]})
    expiry = f"{secret.exp_month}/{secret.exp_year}"
    number = " ".join(secret.number[place : place + 4] for place in range(0, 16, 4))
    assert press(simulator, "find_card", {"number": number})["card"]["account_name"] == "Acme"

    answer = charged(simulator, number=number, expiry=expiry, cvc=secret.cvc, way="wallet")
    purchase = answer["purchase"]
    assert purchase["history"][0]["sentence"] == "The webhook answered yes."
    assert 0 <= answer["webhook_milliseconds"] <= answer["milliseconds"]
    made = client.v1.issuing.authorizations.retrieve(purchase["id"])
    assert (made.approved, made.amount, made.wallet) == (True, 4900, "apple_pay")
    assert (made.verification_data.cvc_check, made.verification_data.expiry_check) == ("match", "match")
    assert receiver.wait_for("issuing_authorization.created")[0]["account"] == account

    press(simulator, f"authorizations/{made.id}/increment", {"amount": "10"})
    press(simulator, f"authorizations/{made.id}/reverse", {"amount": "4.50"})
    done = press(simulator, f"authorizations/{made.id}/capture", {"amount": "60.00"})["purchase"]
    assert (done["amount"], done["status"], done["actions"]) == (5450, "closed", ["capture"])
    settled = done["transactions"][0]
    assert (settled["amount"], settled["refundable"]) == (-6000, 6000)
    press(simulator, f"transactions/{settled['id']}/refund", {"amount": "15.00"})
    press(simulator, f"transactions/{settled['id']}/refund", {})
    assert client.v1.balance.retrieve().issuing.available[0].amount == BALANCE
    assert refused(simulator, f"transactions/{settled['id']}/refund", {})[0] == 400
    refunded = shown(simulator, f"?account={account}")["purchases"][0]["transactions"]
    assert [one["amount"] for one in refunded] == [-6000, 1500, 4500]
    assert shown(simulator, f"?account={simulator.account}")["purchases"] == []


def test_in_parts_expired_and_reversed(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client).id
    first, second, third = (charged(simulator, card=card, way="in_person")["purchase"]["id"] for _ in range(3))
    part = press(simulator, f"authorizations/{first}/capture", {"amount": "9.00", "keep_open": True})["purchase"]
    assert (part["status"], part["actions"]) == ("pending", ["capture", "increment", "reverse", "expire"])
    assert press(simulator, f"authorizations/{second}/expire", {})["purchase"]["status"] == "expired"
    gone = press(simulator, f"authorizations/{third}/reverse", {})["purchase"]
    assert (gone["status"], gone["amount"], gone["actions"]) == ("reversed", 0, [])
    status, error = refused(simulator, f"authorizations/{third}/capture", {})
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert client.v1.issuing.authorizations.retrieve(first).authorization_method == "chip"


def test_a_decline_says_why_and_what_was_sent_is_listed(
    simulator: SimulatorProcess, receiver: Receiver, client: stripe.StripeClient
) -> None:
    receiver.answer = lambda _event: said({"approved": False})
    card = new_card(client)
    answer = charged(simulator, card=card.id)
    assert answer["purchase"]["approved"] is False
    assert answer["purchase"]["history"][0]["sentence"] == "The webhook answered no."
    wrong = charged(simulator, card=card.id, cvc="0000")
    assert wrong["purchase"]["history"][0]["reason"] == "verification_failed"
    assert wrong["webhook_milliseconds"] is None
    receiver.wait_for("issuing_authorization.created", 2)
    asked = [one for one in shown(simulator)["sendings"] if one["asked"]]
    assert [(one["type"], one["outcome"], one["url"]) for one in asked] == [(REQUEST, "webhook_declined", receiver.url)]
    event = json.loads(raw(simulator, "GET", f"/_simulator/terminal/events/{asked[0]['event']}")[2])
    assert event["data"]["object"]["id"] == answer["purchase"]["id"]
    assert raw(simulator, "GET", "/_simulator/terminal/events/evt_x")[0] == 404


def test_without_asking(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client)
    wish = {"card": card.id, "merchant": FIGMA, "amount": "10.00", "currency": "eur"}
    forced = press(simulator, "unasked/create_force_capture", wish)["transaction"]
    press(simulator, "unasked/create_unlinked_refund", {**wish, "currency": "usd"})
    assert client.v1.issuing.transactions.retrieve(forced).merchant_amount == -1000
    assert client.v1.balance.retrieve().issuing.available[0].amount == BALANCE - 1080 + 1000
    lines = shown(simulator)["purchases"]
    assert [(one["kind"], one["status"]) for one in lines] == [
        ("transaction", "unlinked refund"),
        ("transaction", "force capture"),
    ]
    press(simulator, f"transactions/{forced}/refund", {})


def test_a_card_to_try_with(simulator: SimulatorProcess) -> None:
    account = simulator.connect("Acme")
    made = press(simulator, "cards", {"account": account, "name": "Ada Lovelace"})
    assert made["card"]["cardholder"] == "Ada Lovelace"
    typed = {name: made[name] for name in ("number", "expiry", "cvc")}
    assert charged(simulator, **typed)["purchase"]["approved"] is True
    cards = shown(simulator)["cards"]
    assert [card["id"] for card in cards] == [made["card"]["id"]]
    assert made["number"] not in json.dumps(shown(simulator))
    assert refused(simulator, "cards", {"name": "Agent 7"})[1]["param"] == "name"
    british = simulator.client().v1.accounts.create(
        {
            "type": "custom",
            "country": "GB",
            "capabilities": {"card_issuing": {"requested": True}, "transfers": {"requested": True}},
        }
    )
    assert press(simulator, "cards", {"account": british.id})["card"]["currency"] == "gbp"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"amount": "49.001"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": 49}, "amount"),
        ({"amount": "1.5", "currency": "jpy"}, "amount"),
        ({"currency": "xxx"}, "currency"),
        ({"number": "4000009900000000"}, "number"),
        ({"card": "", "number": ""}, "card"),
        ({"card": "ic_x"}, "card"),
        ({"expiry": "13/30"}, "expiry"),
        ({"cvc": ["1"]}, "cvc"),
        ({"way": "cheque"}, "way"),
        ({"merchant": {"name": ""}}, "merchant[name]"),
        ({"merchant": "Figma"}, "merchant[name]"),
        ({"merchant": {**FIGMA, "category": "nonsense"}}, "merchant_data[category]"),
        ({"merchant": {**FIGMA, "name": "\ud800"}}, "name"),
    ],
)
def test_what_makes_no_sense_is_refused(
    simulator: SimulatorProcess, client: stripe.StripeClient, change: dict[str, Any], param: str
) -> None:
    wish = {"card": new_card(client).id, "merchant": FIGMA, "amount": "49.00", "currency": "usd", **change}
    assert refused(simulator, "charge", wish)[1]["param"] == param
    assert shown(simulator)["purchases"] == []


def test_odd_addresses_and_bodies_are_refused(simulator: SimulatorProcess) -> None:
    paths = ("authorizations/iauth_x/capture", "transactions/ipi_x/refund", "unasked/create", "authorizations/x/y")
    assert [refused(simulator, path, {})[0] for path in paths] == [404] * 4
    assert refused(simulator, "charge", [])[0] == 400
    assert raw(simulator, "GET", "/_simulator/terminal/overview?account=acct_x")[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "rebound.example"},
        {"Host": "192.0.2.1"},
    ],
)
def test_other_websites_may_press_nothing(simulator: SimulatorProcess, headers: dict[str, str]) -> None:
    for path in ("/_simulator/terminal/cards", "/_simulator/clock", "/_simulator/reset"):
        status, _, body = raw(simulator, "POST", path, {}, headers)
        assert (status, json.loads(body)["error"]["type"]) == (403, "invalid_request_error")
    assert shown(simulator)["cards"] == []


def test_the_page_itself_and_programs_may(simulator: SimulatorProcess) -> None:
    host = simulator.url.removeprefix("http://")
    own = {"Origin": simulator.url, "Sec-Fetch-Site": "same-origin", "Host": host}
    assert raw(simulator, "POST", "/_simulator/terminal/cards", {}, own)[0] == 200
    local = {"Host": "localhost:8001", "Origin": "http://localhost:8001"}
    assert raw(simulator, "POST", "/_simulator/terminal/cards", {}, local)[0] == 200
    assert raw(simulator, "GET", PAGE, headers={"Host": "rebound.example"})[0] == 403


class Controls(HTMLParser):
    """Collects the controls of a page, the labels, and what would be inline script or style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.controls: list[tuple[str, dict[str, str | None], bool]] = []
        self.labelled: set[str | None] = set()
        self.scripts: list[dict[str, str | None]] = []
        self.inline: list[str] = []
        self.identifiers: list[str | None] = []
        self._in_label = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.inline += [name for name in found if name.startswith("on") or name == "style"]
        self.inline += ["style"] if tag == "style" else []
        if "id" in found:
            self.identifiers.append(found["id"])
        if tag == "label":
            self._in_label += 1
            self.labelled.add(found.get("for"))
        if tag == "script":
            self.scripts.append(found)
        if tag in {"input", "select", "textarea"}:
            self.controls.append((tag, found, self._in_label > 0))

    def handle_endtag(self, tag: str) -> None:
        self._in_label -= tag == "label"


def test_every_control_is_labelled_and_nothing_is_inline(simulator: SimulatorProcess) -> None:
    status, headers, body = raw(simulator, "GET", PAGE)
    text = body.decode()
    page = Controls(text)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert len(page.controls) > 15
    for tag, attributes, inside in page.controls:
        assert inside or attributes.get("id") in page.labelled, (tag, attributes)
    wanted = page.labelled - {None}
    assert wanted <= set(page.identifiers)
    assert len(page.identifiers) == len(set(page.identifiers))
    assert page.inline == []
    assert all(script.get("src", "").startswith("/_simulator/terminal/") for script in page.scripts)  # type: ignore[union-attr]
    assert 'role="status"' in text
    assert "Simulation." in text


def test_the_policy_lets_only_own_files_run(simulator: SimulatorProcess) -> None:
    for path in (PAGE, "/_simulator/terminal/terminal.js", "/_simulator/terminal/elements.js"):
        status, headers, _ = raw(simulator, "GET", path)
        policy = headers["content-security-policy"]
        assert status == 200
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    assert raw(simulator, "GET", "/_simulator/terminal/terminal.css")[1]["content-type"].startswith("text/css")
    assert 'href="/_simulator/"' in raw(simulator, "GET", "/")[2].decode()


def test_the_script_names_only_what_the_page_has() -> None:
    folder = Path(__file__).parents[2] / "roony" / "simulator" / "terminal"
    page = Controls((folder / "page.html").read_text())
    script = (folder / "terminal.js").read_text()
    named = {part.partition('"')[0] for part in script.split('find("')[1:]}
    assert named
    assert named <= set(page.identifiers)
    assert "innerHTML" not in script


def test_the_setup_offers_categories_currencies_and_merchants(simulator: SimulatorProcess) -> None:
    setup = json.loads(raw(simulator, "GET", "/_simulator/terminal/setup")[2])
    names = {one["name"] for one in setup["categories"]}
    assert {shop["category"] for shop in setup["merchants"]} <= names
    assert (setup["currencies"]["usd"], setup["currencies"]["jpy"]) == (2, 0)


def test_every_published_reason_has_a_sentence() -> None:
    declined = (
        "account_disabled card_canceled card_expired card_inactive cardholder_blocked cardholder_inactive "
        "cardholder_verification_required insecure_authorization_method insufficient_funds network_fallback "
        "not_allowed pin_blocked spending_controls stripe_internal_error suspected_fraud verification_failed "
        "webhook_declined webhook_error webhook_timeout"
    )
    approved = "card_active network_fallback webhook_approved webhook_error webhook_timeout"
    for answer, reasons in ((False, declined), (True, approved)):
        for reason in reasons.split():
            sentence = reason_in_words({"approved": answer, "reason": reason, "reason_message": None})
            assert not sentence.startswith("The reason given"), reason
    new = reason_in_words({"approved": False, "reason": "brand_new", "reason_message": "Because."})
    assert new == "The reason given is brand_new. Because."
