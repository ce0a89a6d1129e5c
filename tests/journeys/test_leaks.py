"""Fifty purchases, and then no card number, CVC, token or key in anything that Roony keeps, writes or sends elsewhere.

On both databases, with logs in both formats: the database with its journal, the log, what commands print, every list
and export, what webhooks and messages carry to others, and a backup. The scanner catches one that is put there.
"""

from __future__ import annotations

import base64
import json
import random
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from roony.client.sealed import new_private_key, open_sealed
from tests.support.commands import run_roony
from tests.support.leak_scan import Leak, Secrets, cells_of, scan
from tests.support.postgres import books_database
from tests.support.receiver import Receiver
from tests.support.served import Bought, Buyer, Simulation, event, unique, until

PURCHASES = 50
# Stripe's side, and the two files that exist to keep a secret; they are for their owner's eyes only.
SIMULATOR = ("roony.db.simulator", "roony.simulator")
PRIVATE = ("roony.db.secrets", "roony.db.admin-key", "roony.secrets", "roony.admin-key")

NUMBER, CVC, TOKEN = "4000009990001234", "731", "sk_test_" + "a1B2" * 12
CHAT_TOKEN = "3ccdd113474722377935511fc85d3dd4"
ADMIN = "/api/v1/admin"
SECRETS = Secrets({NUMBER}, {CVC}, {"token": TOKEN})


def state_of(roony: Simulation) -> Path:
    """Where the simulated Stripe keeps its side: beside the database, else in a folder below the server's own."""
    (state,) = [path for path in roony.folder.rglob("*") if path.name in SIMULATOR]
    return state


def tokens_at_stripe(roony: Simulation) -> dict[str, str]:
    """Every key, OAuth token and OAuth code the simulator knows, but the publishable ones."""
    with closing(sqlite3.connect(f"file:{state_of(roony)}?mode=ro", uri=True)) as state:
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
            # As it is shown: three digits alone stand in a date, a length or the link itself as well.
            assert (f"<dd>{bought.answer['card']['cvc']}</dd>" in page.text) is (status == 200)
            assert bought.answer["card"]["number"] not in page.text

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


class Played(NamedTuple):
    """A company with fifty purchases behind it, what must be found nowhere, and who was sent something."""

    roony: Simulation
    buyer: Buyer
    secrets: Secrets
    receivers: tuple[Receiver, Receiver]


@pytest.fixture(scope="module", params=[("sqlite", "text"), ("postgresql", "json")], ids=["sqlite", "postgresql"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """All of it is still in use."""
    backend, log_format = request.param
    folder = tmp_path_factory.mktemp("leaks")
    with ExitStack() as stack:
        url = stack.enter_context(books_database(backend))
        # What a command or a server puts into a folder of its own is found there too.
        environment = {"ROONY_LOG_FORMAT": log_format, "TMPDIR": str(folder)}
        roony = stack.enter_context(Simulation(folder, url, **environment))
        receivers = (stack.enter_context(Receiver()), stack.enter_context(Receiver()))
        yield play_all(roony, receivers)


def play_all(roony: Simulation, receivers: tuple[Receiver, Receiver]) -> Played:
    """Fifty purchases at once, each with a fate of its own."""
    buyer = roony.buyer()
    public_key = f"/api/v1/admin/agents/{buyer.id}/public_key"
    # A private key that somebody sends by mistake is forgotten with the request.
    roony.owner.refused(422, "PUT", public_key, json.loads(KEY.jwk))
    roony.owner.send("PUT", public_key, json.loads(KEY.public))
    told = {"private key": json.loads(KEY.jwk)["d"], "chat token": CHAT_TOKEN}
    hook, chat = receivers
    endpoint = roony.owner.send("POST", f"{ADMIN}/webhook_endpoints", {"url": hook.url}, 201)
    told["endpoint's secret"] = endpoint["secret"]
    run = run_roony("message", "add", "Ops", "-", "--type", "purchase.declined",
                    typed=f"mmost://127.0.0.1:{chat.port}/{CHAT_TOKEN}\n", **who(roony))  # fmt: skip
    assert run.returncode == 0, run.stderr
    roony.buyer(controls={"purchase_limit": 100}).ask(12_000, unique("GitHub"))
    # Stripe's refusal goes through the log as well.
    roony.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "rate_limit", "count": 1}])
    waiting = buyer.ask(900, unique("Figma"))
    with ThreadPoolExecutor(4) as threads:
        cards = list(threads.map(lambda place: play(buyer, place, told), range(PURCHASES)))
    until(lambda: buyer.purchase(waiting["id"], wait=1)["status"], "ready")
    link = roony.owner.send("POST", "/api/v1/admin/connections", {"kind": "connect"}, 201)["url"]
    spoil(roony, buyer, cards[0], told)
    until(lambda: roony.control("state")["undelivered"], [])
    secrets = Secrets(
        {card["number"] for card in cards},
        {card["cvc"] for card in cards},
        {
            "admin key": roony.ready["admin_key"], "agent key": roony.ready["agent_key"], "new agent's key": buyer.key,
            "Stripe key": roony.ready["stripe_secret_key"], "webhook secret": roony.ready["webhook_secret"],
            "start link": parse_qs(urlsplit(link).query)["ticket"][0], **tokens_at_stripe(roony), **told,
        },
    )  # fmt: skip
    assert len(secrets.numbers) == PURCHASES
    assert {"sealed card", "reveal link"} <= {name.rpartition(" ")[0] for name in told}
    return Played(roony, buyer, secrets, receivers)


def spoil(roony: Simulation, buyer: Buyer, card: dict[str, Any], told: dict[str, str]) -> None:
    """Secrets in places where nobody should write them.

    Refused requests, addresses, headers, asks, notes, and Stripe's events.
    """
    odd = f"{card['number']} {card['cvc']}"
    for path in (f"/api/v1/purchase_intents/{card['number']}", f"/nothing?token={buyer.key}&x={card['number']}",
                 f"/connect/stripe/callback?state={told['chat token']}&code=ac_{told['chat token']}"):  # fmt: skip
        assert buyer.api.call("GET", path).status_code in (400, 404)
    headers = {"Authorization": f"Bearer {buyer.key} {odd}", "User-Agent": odd, "Cookie": f"roony_session={buyer.key}"}
    assert roony.web.get("/api/v1/budgets", headers=headers).status_code == 401
    assert roony.web.post("/api/v1/purchase_intents", content=f'{{"number": "{odd}"'.encode()).status_code == 401
    assert buyer.api.call("POST", "/api/v1/purchase_intents", {"number": odd}).status_code == 422
    assert roony.post_raw(json.dumps({"number": odd}).encode(), {"Stripe-Signature": f"t=1,v1={odd}"}).status == 400
    note = {"id": "thing_1", "note": f"paid with {card['number']}", "number": card["number"], "cvc": card["cvc"]}
    # An agent that knows no better, and a person.
    careless = f"with {card['number']}, cvc: {card['cvc']}, {buyer.key}"
    metadata = {"number": card["number"], "cvc": card["cvc"], "key": buyer.key}
    asking = roony.buyer(controls={"approval_threshold": 0})
    for word in ("approve", "deny"):
        shop = f"{unique('Shop')} {card['number']}"
        asked = asking.ask(1_000, shop, description=careless, metadata=metadata)
        roony.owner.send("POST", f"{ADMIN}/approvals/{asked['approval']['id']}/{word}", {"note": careless})
    told_event = event(roony.account, "something.new", {**note, "key": buyer.key}, roony.now())
    assert roony.post(told_event).status == 200


def who(roony: Simulation) -> dict[str, str]:
    """Whose commands they are."""
    return {"ROONY_ADMIN_KEY": roony.ready["admin_key"], "ROONY_AGENT_KEY": roony.ready["agent_key"],
            "ROONY_URL": roony.url}  # fmt: skip


def everything_read(played: Played) -> dict[str, str]:
    """Every address of the API that needs no id, as JSON, CSV and JSON lines; every page; what commands print."""
    roony, read = played.roony, {}
    paths = roony.owner.get("/openapi.json")["paths"]
    for path in sorted(paths):
        # The document itself has an example of a card.
        if "get" in paths[path] and "{" not in path and not path.endswith(("/stream", "/openapi.json")):
            caller = roony.owner if path.startswith(ADMIN) else played.buyer.api
            for query in ("", "?format=csv", "?format=jsonl"):
                answer = caller.call("GET", path + query)
                if answer.status_code == 200:
                    read[path + query] = answer.text
    for path in ("/healthz", "/readyz", "/sign-in"):
        # How long a field may be stands in quotes as well, as the metrics below.
        read[path] = re.sub(r'length="\d+"', "", roony.web.get(path).text)
    # Bounds, statuses and process ids stand in quotes there, and three digits in quotes could be a CVC.
    read["/metrics"] = re.sub(r'="[\d.]+"', "=", roony.web.get("/metrics").text)
    for words in ("purchase list", "purchase list --json", "agent list", "audit export", "connection list --json",
                  "discrepancy list", "events list --json", "admin-key list", "doctor", "report spend"):  # fmt: skip
        run = run_roony(*words.split(), folder=roony.folder, **who(roony))
        read[f"roony {words}"] = run.stdout + run.stderr
    assert read[f"{ADMIN}/audit?format=jsonl"].count('"purchase.') >= PURCHASES
    assert len(read) > 40
    return read


def test_fifty_purchases_leave_no_secret_behind(played: Played, tmp_path: Path) -> None:
    roony, secrets = played.roony, played.secrets
    hook, chat = played.receivers
    until(lambda: bool(hook.arrived and chat.arrived), True)
    for name, text in everything_read(played).items():
        (tmp_path / re.sub(r"\W+", "_", name)).write_text(text, encoding="utf-8")
    for place, arrived in enumerate([*hook.arrived, *chat.arrived]):
        # The service's own address is for the service.
        written = f"{arrived.path}\n{arrived.headers}\n{arrived.body}".replace(CHAT_TOKEN, "")
        (tmp_path / f"sent_{place}").write_text(written, encoding="utf-8")
    (tmp_path / "database.cells").write_bytes(b"\n".join(cells_of(roony.database_url)))
    if roony.database_url.startswith("sqlite"):
        database = {"ROONY_DATABASE_URL": roony.database_url}
        run = run_roony("backup", str(tmp_path / "backup.db"), "--online", **database)
        assert run.returncode == 0, run.stderr
    assert scan(tmp_path, secrets) == []
    assert scan(roony.folder, secrets, skip=(*SIMULATOR, *PRIVATE)) == []
    assert (roony.folder / "serve.log").stat().st_size > 0
    if roony.database_url.startswith("sqlite"):
        assert (roony.folder / "roony.db-wal").stat().st_size > 0
    # The private files hold what they are for and nothing else.
    numbers_and_tokens = Secrets(secrets.numbers, (), tokens_of_accounts(roony))
    private = [path for name in PRIVATE for path in roony.folder.rglob(name)]
    assert private
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert scan(roony.folder, numbers_and_tokens, skip=SIMULATOR) == []
    # The scan itself sees: the simulated Stripe has every number, and what is written on purpose is found.
    assert len(scan(roony.folder, Secrets(secrets.numbers), skip=PRIVATE)) >= PURCHASES
    (tmp_path / "on_purpose").write_text(f"x {played.buyer.key} x", encoding="utf-8")
    assert [leak.place for leak in scan(tmp_path, secrets)] == ["on_purpose"]
    roony.child.stop()
    assert scan(roony.folder, secrets, skip=(*SIMULATOR, *PRIVATE)) == []


def tokens_of_accounts(roony: Simulation) -> dict[str, str]:
    """What OAuth gave out for connected accounts."""
    return {what: text for what, text in tokens_at_stripe(roony).items() if what != "secret key"}


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
