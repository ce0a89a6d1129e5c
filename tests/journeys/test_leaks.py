"""Fifty purchases, and then no card number, CVC, token or key in any file that Roony keeps; the scanner catches one."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from roony.client.sealed import new_private_key, open_sealed
from tests.support.leak_scan import Leak, Secrets, scan
from tests.support.served import Bought, Buyer, Simulation, unique, until

PURCHASES = 50
# Stripe's side, and the two files that exist to keep a secret; they are for their owner's eyes only.
SIMULATOR = "roony.db.simulator"
PRIVATE = ("roony.db.secrets", "roony.db.admin-key")

NUMBER, CVC, TOKEN = "4000009990001234", "731", "sk_test_" + "a1B2" * 12
SECRETS = Secrets({NUMBER}, {CVC}, {"token": TOKEN})


def tokens_at_stripe(folder: Path) -> dict[str, str]:
    """Every key, OAuth token and OAuth code the simulator knows, but the publishable ones."""
    with closing(sqlite3.connect(f"file:{folder / SIMULATOR}?mode=ro", uri=True)) as state:
        rows = state.execute("SELECT collection, value FROM record").fetchall()
    records = [(collection, json.loads(value)) for collection, value in rows]
    keys = [record for collection, record in records if collection == "keys" and record["kind"] != "publishable"]
    codes = [record for collection, record in records if collection == "codes"]
    assert {"secret", "access", "refresh"} <= {key["kind"] for key in keys}
    assert codes
    return {f"{key['kind']} key": key["id"] for key in keys} | {
        f"OAuth code {place}": code["id"] for place, code in enumerate(codes)
    }


KEY = new_private_key()


def play(buyer: Buyer, place: int, told: dict[str, str]) -> dict[str, Any]:
    """One purchase and something that happens to it; returns the numbers its agent was told.

    Adds to `told` the other secrets it was told: links and sealed cards.
    """
    roony, merchant = buyer.roony, unique("Figma")
    bought = buyer.buy(1_000 + place, merchant, key=f"key {place}")
    path = f"/api/v1/purchase_intents/{bought.id}/card"

    def seal() -> None:
        told[f"sealed card {place}"] = sealed = buyer.api.send("POST", path, {"delivery": "sealed"})["jwe"]
        assert open_sealed(KEY.jwk, sealed)["number"] == bought.answer["card"]["number"]

    def reveal() -> None:
        link = buyer.api.send("POST", path, {"delivery": "reveal", "purpose": "pay"})["url"]
        told[f"reveal link {place}"] = ticket = parse_qs(urlsplit(link).query)["ticket"][0]
        assert buyer.api.call("GET", f"/reveal?ticket={ticket}").status_code == 200
        for key, status in ((buyer.key, 403), (roony.ready["admin_key"], 200), (roony.ready["admin_key"], 410)):
            page = buyer.api.call("POST", "/reveal", data={"ticket": ticket, "key": key})
            assert page.status_code == status
            assert (bought.answer["card"]["cvc"] in page.text) is (status == 200)

    fates: list[Callable[[], Any]] = [
        lambda: pay(roony, bought, merchant),
        lambda: roony.charge(bought.stripe_card, 1_000, "QUICK GIFT CARDS"),
        lambda: buyer.api.send("POST", f"/api/v1/purchase_intents/{bought.id}/cancel"),
        lambda: buyer.api.send("POST", path, {"purpose": "once more"}),
        seal,
        reveal,
        lambda: buyer.api.send("POST", "/api/v1/purchase_intents", buyer.wish(1_000 + place, merchant), 409),
    ]
    fates[place % len(fates)]()
    return dict(bought.answer["card"])


def pay(roony: Simulation, bought: Bought, merchant: str) -> None:
    """The whole way to the books."""
    authorization = roony.charge(bought.stripe_card, bought.answer["amount"], merchant)
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(authorization.id)


def test_fifty_purchases_leave_no_secret_behind(roony: Simulation) -> None:
    """The database with its journal, the log and the audit export, while all of it is in use and after a clean end."""
    buyer = roony.buyer()
    public_key = f"/api/v1/admin/agents/{buyer.id}/public_key"
    # A private key that somebody sends by mistake is forgotten with the request.
    roony.owner.refused(422, "PUT", public_key, json.loads(KEY.jwk))
    roony.owner.send("PUT", public_key, json.loads(KEY.public))
    told = {"private key": json.loads(KEY.jwk)["d"]}
    # Stripe's refusal goes through the log as well.
    roony.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "rate_limit", "count": 1}])
    waiting = buyer.ask(900, unique("Figma"))
    with ThreadPoolExecutor(4) as threads:
        cards = list(threads.map(lambda place: play(buyer, place, told), range(PURCHASES)))
    until(lambda: buyer.purchase(waiting["id"], wait=1)["status"], "ready")
    link = roony.owner.send("POST", "/api/v1/admin/connections", {"kind": "connect"}, 201)["url"]
    until(lambda: roony.control("state")["undelivered"], [])
    secrets = Secrets(
        {card["number"] for card in cards},
        {card["cvc"] for card in cards},
        {
            "admin key": roony.ready["admin_key"], "agent key": roony.ready["agent_key"], "new agent's key": buyer.key,
            "Stripe key": roony.ready["stripe_secret_key"], "webhook secret": roony.ready["webhook_secret"],
            "start link": parse_qs(urlsplit(link).query)["ticket"][0], **tokens_at_stripe(roony.folder), **told,
        },
    )  # fmt: skip
    assert len(secrets.numbers) == PURCHASES
    assert {name.rpartition(" ")[0] for name in told} == {"private", "sealed card", "reveal link"}
    export = roony.owner.call("GET", "/api/v1/admin/audit", params={"format": "jsonl"}).text
    assert export.count('"purchase.') >= PURCHASES
    (roony.folder / "audit.jsonl").write_text(export, encoding="utf-8")
    assert scan(roony.folder, secrets, skip=(SIMULATOR, *PRIVATE)) == []
    assert (roony.folder / "serve.log").stat().st_size > 0
    assert (roony.folder / "roony.db-wal").stat().st_size > 0
    # The private files hold what they are for and nothing else.
    numbers_and_tokens = Secrets(secrets.numbers, (), tokens_of_accounts(roony.folder))
    for name in PRIVATE:
        assert stat.S_IMODE((roony.folder / name).stat().st_mode) == 0o600
    assert scan(roony.folder, numbers_and_tokens, skip=(SIMULATOR,)) == []
    # The scan itself sees: the simulated Stripe has every number.
    assert len(scan(roony.folder, Secrets(secrets.numbers), skip=PRIVATE)) >= PURCHASES
    roony.child.stop()
    assert scan(roony.folder, secrets, skip=(SIMULATOR, *PRIVATE)) == []


def tokens_of_accounts(folder: Path) -> dict[str, str]:
    """What OAuth gave out for connected accounts."""
    return {what: text for what, text in tokens_at_stripe(folder).items() if what != "secret key"}


SPELLINGS = {
    "plain": NUMBER,
    "spaced": "4000 0099 9000 1234",
    "dashed": "4000-0099-9000-1234",
    "dotted": "4000.0099.9000.1234",
    "hex": NUMBER.encode().hex(),
    "HEX of the spaced": b"4000 0099 9000 1234".hex().upper(),
    "base64": base64.b64encode(NUMBER.encode()).decode(),
    "base64 one later": base64.b64encode(b"x" + NUMBER.encode() + b"yz").decode(),
    "base64 two later": base64.b64encode(b"xy" + NUMBER.encode() + b"z").decode(),
    "base64 of the spaced": base64.b64encode(b"no. 4000 0099 9000 1234.").decode(),
    "base64url in JSON": base64.urlsafe_b64encode(json.dumps({"~~number": NUMBER, "~~": "??"}).encode()).decode(),
    "token": f"Bearer {TOKEN}",
    "token in base64": base64.b64encode(f"{TOKEN}:".encode()).decode(),
    "token in hex": TOKEN.encode().hex(),
    "private key in a JWK": KEY.jwk,
    "private key in escaped JSON": json.dumps({"body": KEY.jwk}),
    "CVC as JSON": '{"cvc": "731"}',
    "CVC as a number": '{"cvc":731}',
    "CVC in text": "card.made cvc=731",
    "CVC in escaped JSON": json.dumps({"body": '{"cvv2": "731"}'}),
    "CVC under another name": '{"note": "731"}',
    "somebody's CVC": '{"security_code": "0042"}',
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_written_on_purpose_is_found_in_a_log(tmp_path: Path, spelling: str) -> None:
    """Each spelling, in the middle of other text."""
    (tmp_path / "serve.log").write_text(f"2026-11-23 info {SPELLINGS[spelling]} more\n", encoding="utf-8")
    found = scan(tmp_path, SECRETS)
    assert found
    assert {leak.place for leak in found} == {"serve.log"}
    assert not any(secret in str(found) for secret in (NUMBER, TOKEN))
    assert scan(tmp_path, SECRETS, skip=("serve.log",)) == []


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("value", [*SPELLINGS.values(), int(NUMBER), NUMBER.encode(), NUMBER.encode("utf-16")])
def test_a_secret_written_on_purpose_is_found_in_a_database(tmp_path: Path, journal: str, value: Any) -> None:
    """In its file or its journal, as text, as a number, as bytes."""
    with closing(sqlite3.connect(tmp_path / "roony.db")) as database:
        database.execute(f"PRAGMA journal_mode={journal}")
        database.execute("CREATE TABLE purchases (id TEXT, note)")
        database.execute("INSERT INTO purchases VALUES ('pur_1', ?)", (value,))
        database.commit()
        assert scan(tmp_path, SECRETS)


def test_a_secret_is_found_where_a_page_ends(tmp_path: Path) -> None:
    """A long cell lies in pieces; so does what is in it."""
    with closing(sqlite3.connect(tmp_path / "roony.db")) as database:
        database.execute("CREATE TABLE inbox (payload BLOB)")
        text = (f"{NUMBER} " * 3_000).encode()
        for start in range(17):
            database.execute("INSERT INTO inbox VALUES (?)", (text[start : start + 4_500 + start],))
        database.commit()
    places = {leak.place for leak in scan(tmp_path, SECRETS)}
    assert "roony.db (cells)" in places


def test_a_cell_named_for_a_cvc_is_found(tmp_path: Path) -> None:
    """The column's name makes the digits a CVC."""
    with closing(sqlite3.connect(tmp_path / "roony.db")) as database:
        database.execute("CREATE TABLE cards (id TEXT, cvc INTEGER)")
        database.execute("INSERT INTO cards VALUES ('crd_1', 555)")
        database.commit()
    assert Leak("roony.db (cells)", "CVC", "named field") in scan(tmp_path, SECRETS)


def test_what_is_no_secret_is_not_found(tmp_path: Path) -> None:
    """Last digits, times and amounts are allowed, though a CVC's digits stand in them."""
    chance = random.Random(731)
    lines = [
        {"last4": "1234", "at": f"2026-11-23T07:31:00.{chance.randrange(10**6):06}Z", "amount": 731, "id": "pur_731"}
        for _ in range(2_000)
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "audit.jsonl").write_text(text + "\ncard 4000 0099 9000 1235 cvc=[redacted] sk_test_…", "utf-8")
    assert scan(tmp_path, SECRETS) == []
