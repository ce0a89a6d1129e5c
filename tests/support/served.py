"""`roony serve` in a process of its own, with its owner, its agents, Stripe and the merchants."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx2
import stripe
from sqlalchemy import func, select, text

from roony.client.callers import IDLE_SECONDS
from roony.store.database import Database
from roony.store.tables import inbox, metadata, outbox
from tests.support.books import lay_file
from tests.support.forking import Forked
from tests.support.ports import hold_port
from tests.support.serving import Caller

WEBHOOK = "/api/webhooks/stripe"
SOFTWARE = {"category": "computer_software_stores", "country": "US"}
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.02
# A worker signs chains and takes leases when it is time, a minute after its start as well: at any moment of a test.
BY_THE_CLOCK = {"audit_checkpoints", "leases", "signing_keys"}
BUDGETS = [{"period": period, "limit": 1_000_000, "currency": "usd"} for period in ("month", "lifetime")]


def until(look: Callable[[], Any], expected: Any, seconds: float = WAIT_SECONDS) -> None:
    """Looks again until it is as expected: some things happen a moment after an answer. Fails when they do not."""
    deadline = time.monotonic() + seconds
    found = look()
    while found != expected and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        found = look()
    assert found == expected, f"after {seconds:.0f} s: {found!r}, expected {expected!r}"


def clean_environment(**more: str) -> dict[str, str]:
    """Ours without what it says about Stripe and Roony, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "ROONY_"))}
    return {**kept, **more}


_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def unique(word: str) -> str:
    """A name nobody has used, of letters only: a number behind a name is a store's and makes no other merchant."""
    return f"{word} {_letters(10)}"


def _letters(count: int) -> str:
    """Nobody meets them again. Digits could be taken for a card number, and be stars in a log."""
    return uuid.uuid4().hex.translate(_LETTERS)[:count]


class Child:
    """One process with a ready line on stdout and a log file for the rest; ended by its own id."""

    def __init__(self, arguments: list[str], log: Path, **environment: str) -> None:
        self.log = log
        self.process = Forked(arguments, clean_environment(**environment), log, stdout=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise AssertionError(f"roony {arguments[0]} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        self.ready: dict[str, Any] = json.loads(line)

    def wait_for_end(self, seconds: float = WAIT_SECONDS) -> int:
        """Waits until it has ended by itself; returns the exit code."""
        return self.process.wait(seconds)

    def stop(self) -> int:
        """Asks it to stop, then makes it; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


class Answer(NamedTuple):
    """What a webhook was answered with."""

    status: int
    headers: httpx2.Headers
    body: Any

    @property
    def approved(self) -> bool:
        """The word of a real-time answer, which must be well-formed."""
        assert self.status == 200, self.body
        assert self.headers["stripe-version"]
        assert self.headers["content-type"] == "application/json"
        assert isinstance(self.body["approved"], bool)
        return bool(self.body["approved"])

    @property
    def code(self) -> str:
        """Roony's code in the metadata."""
        return str(self.body["metadata"]["code"])


class Simulation:
    """A running `roony serve --simulate --ready-json`, everything of it in `folder`.

    Its books are a file there, or the migrated database at `database_url`.
    """

    def __init__(self, folder: Path, database_url: str | None = None, **environment: str) -> None:
        self.folder = folder
        if database_url is None:
            lay_file(folder / "roony.db")
        self.database_url = database_url or f"sqlite:///{folder / 'roony.db'}"
        self._callers: list[Caller] = []
        environment = {"ROONY_DATABASE_URL": self.database_url, **environment}
        self.child = Child(
            ["serve", "--simulate", "--ready-json", "--port", "0", "--simulator-port", "0"],
            folder / "serve.log", **environment,
        )  # fmt: skip
        self.ready = self.child.ready
        self.url: str = self.ready["url"]
        self.account: str = self.ready["stripe_account"]
        self.organization_id: str = self.ready["organization_id"]
        self.owner = self.caller(self.ready["admin_key"])
        self.agent = self.caller(self.ready["agent_key"])
        self.stripe = sdk(self.ready["simulator_url"], self.ready["stripe_secret_key"], self.account)
        limits = httpx2.Limits(keepalive_expiry=IDLE_SECONDS)
        self.web = httpx2.Client(base_url=self.url, timeout=30, trust_env=False, verify=False, limits=limits)
        self.simulator = httpx2.Client(
            base_url=self.ready["simulator_url"], timeout=30, trust_env=False, verify=False, limits=limits
        )

    def caller(self, key: str) -> Caller:
        """Somebody with this key."""
        made = Caller(self.url, key)
        self._callers.append(made)
        return made

    def stop(self) -> int:
        """Gives back the connections and ends the process."""
        for caller in self._callers:
            caller.close()
        self.web.close()
        self.simulator.close()
        return self.child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    # The owner

    def buyer(self, project_id: str | None = None, **agent: Any) -> Buyer:
        """A new agent in a new project; without other words its budgets are wide and nothing else limits it."""
        if project_id is None:
            project_id = self.owner.send("POST", "/api/v1/admin/projects", {"name": unique("Project")}, 201)["id"]
        body = {"name": unique("Agent"), "project_id": project_id, "budgets": BUDGETS, **agent}
        made = self.owner.send("POST", "/api/v1/admin/agents", body, 201)
        return Buyer(self, made["id"], project_id, self.caller(made["key"]), made["key"])

    def purchase(self, id: str) -> dict[str, Any]:
        """A purchase as the owner sees it."""
        return dict(self.owner.get(f"/api/v1/admin/purchases/{id}"))

    def card_of(self, purchase_id: str) -> dict[str, Any]:
        """The one card of a purchase as Roony knows it."""
        [row] = self.owner.get("/api/v1/admin/cards", params={"purchase_id": purchase_id})["data"]
        return dict(row)

    def standing(self, scope_id: str, period: str = "lifetime") -> tuple[int, int]:
        """Held and spent of one scope in one period."""
        rows = self.owner.get("/api/v1/admin/budgets", params={"scope_id": scope_id})["data"]
        [row] = [row for row in rows if (row["period"], row["currency"]) == (period, "usd")]
        return row["held"], row["spent"]

    def discrepancies(self, **where: Any) -> list[str]:
        """The kinds of the discrepancies found."""
        return [row["kind"] for row in self.owner.get("/api/v1/admin/discrepancies", params=where)["data"]]

    def decisions(self, purchase_id: str) -> list[tuple[bool, str]]:
        """Every answer Roony gave about a purchase: approved or not, and the code."""
        rows = self.owner.get("/api/v1/admin/authorizations", params={"purchase_id": purchase_id})["data"]
        return [(decision["approved"], decision["code"]) for row in rows for decision in row["decisions"]]

    # Stripe

    def control(self, path: str, body: Any = None) -> Any:
        """One of the simulator's own controls: POST with a body, else GET."""
        path = f"/_simulator/{path}"
        answer = self.simulator.get(path) if body is None else self.simulator.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def now(self) -> int:
        """What time it is for Stripe and for Roony, in seconds."""
        return int(self.control("clock")["now"])

    def advance(self, seconds: int) -> None:
        """Moves the clock of both; returns once Roony's worker has looked at the new time."""
        if not self.control("clock", {"advance": seconds})["acknowledged"]:
            # It waits for ten seconds only, and much may be due at the new time.
            until(lambda: self.control("clock", {"advance": 0})["acknowledged"], True)

    def stripe_cards(self, **metadata: str) -> list[Any]:
        """Every card at Stripe with this in its metadata."""
        cards = self.stripe.v1.issuing.cards.list({"limit": 100}).auto_paging_iter()
        return [card for card in cards if metadata.items() <= card.metadata.to_dict().items()]

    def charge(self, stripe_card: str, amount: int, merchant: str, **more: Any) -> Any:
        """Lets a merchant ask for money through the network; answers after the decision."""
        data = {"name": merchant, **SOFTWARE, **more.pop("merchant_data", {})}
        helper = self.stripe.v1.test_helpers.issuing.authorizations
        return helper.create({"card": stripe_card, "amount": amount, "merchant_data": data, **more})

    # The door for webhooks

    def request_event(self, stripe_card: str, amount: int, merchant: str, **changes: Any) -> dict[str, Any]:
        """An `issuing_authorization.request` as Stripe would send it now; `changes` go into the authorization."""
        return request_event(self.account, stripe_card, amount, merchant, self.now(), **changes)

    def post(self, event: Any, *, secret: str | None = None, at: int | None = None) -> Answer:
        """Signs an event and posts it to the door, as Stripe does."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        signature = sign(body, secret or self.ready["webhook_secret"], self.now() if at is None else at)
        return self.post_raw(body, {"Stripe-Signature": signature})

    def post_raw(self, body: bytes, headers: dict[str, str]) -> Answer:
        """Posts bytes to the door with these headers."""
        answer = self.web.post(WEBHOOK, content=body, headers={"Content-Type": "application/json", **headers})
        return Answer(answer.status_code, answer.headers, answer.json())

    # The database

    def rows(self) -> dict[str, int]:
        """How many rows each table has, and how long audit chains are; but for what a worker writes by the clock."""
        names = metadata.tables.keys() - BY_THE_CLOCK
        counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in names)  # noqa: S608
        with self._reading() as database:
            return {row[0]: row[1] for row in database.read(text(counts))}

    def event_state(self, id: str) -> str | None:
        """How far the handling of one of Stripe's events is; None for one that was not kept."""
        with self._reading() as database:
            found = database.read(select(inbox.c.status).where(inbox.c.id == id))
        return found[0][0] if found else None

    def payloads(self) -> dict[str, bytes]:
        """What is kept of Stripe's events, by their ids."""
        with self._reading() as database:
            return {row[0]: bytes(row[1]) for row in database.read(select(inbox.c.id, inbox.c.payload))}

    @contextmanager
    def _reading(self) -> Iterator[Database]:
        database = Database(self.database_url)
        try:
            yield database
        finally:
            database.close()

    def settle(self) -> None:
        """Waits until every event was delivered and handled, and every promise kept."""
        until(lambda: self.control("state")["undelivered"], [])
        until(self._unfinished, [0, 0])

    def _unfinished(self) -> list[int]:
        events = select(func.count()).where(inbox.c.status.in_(("received", "failed")))
        promises = select(func.count()).where(outbox.c.status == "promised")
        with self._reading() as database:
            return [database.read(query)[0][0] for query in (events, promises)]

    @contextmanager
    def nothing_written(self) -> Iterator[None]:
        """Fails if any table has more or fewer rows after the block than before it, once all is quiet."""
        self.settle()
        before = self.rows()
        yield
        after = self.rows()
        assert after == before, {name: (before[name], after[name]) for name in after if after[name] != before[name]}


class Buyer(NamedTuple):
    """An agent with its key."""

    roony: Simulation
    id: str
    project_id: str
    api: Caller
    key: str

    def wish(self, amount: int, merchant: str, shop: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """The body of an ask for software in the US; `shop` is what else is said of the merchant."""
        about = {"name": merchant, **SOFTWARE, **(shop or {})}
        return {"amount": amount, "currency": "usd", "description": f"From {merchant}", "merchant": about, **more}

    def ask(self, amount: int, merchant: str, key: str | None = None, **more: Any) -> dict[str, Any]:
        """Asks; the purchase as it was answered with 201."""
        headers = {"Idempotency-Key": key} if key else {}
        body = self.wish(amount, merchant, **more)
        return dict(self.api.send("POST", "/api/v1/purchase_intents", body, 201, headers=headers))

    def buy(self, amount: int, merchant: str, **more: Any) -> Bought:
        """Asks and gets a card."""
        purchase = self.ask(amount, merchant, **more)
        assert purchase["status"] == "ready", purchase
        card = self.roony.card_of(purchase["id"])
        return Bought(purchase["id"], card["stripe_card_id"], purchase)

    def purchase(self, id: str, wait: int = 0) -> dict[str, Any]:
        """One of its purchases as it is now."""
        return dict(self.api.get(f"/api/v1/purchase_intents/{id}", params={"wait": wait}))

    def standings(self, period: str = "lifetime") -> list[tuple[int, int]]:
        """Held and spent of agent, project and organization."""
        scopes = (self.id, self.project_id, self.roony.organization_id)
        return [self.roony.standing(scope_id, period) for scope_id in scopes]


class Bought(NamedTuple):
    """A purchase with its card at Stripe; `answer` is what the agent was told."""

    id: str
    stripe_card: str
    answer: dict[str, Any]


def sdk(url: str, key: str, account: str | None) -> stripe.StripeClient:
    """The official client, pointed at the simulator."""
    stripe.enable_telemetry = False
    addresses = {"api": url, "connect": url, "files": url, "meter_events": url}
    return stripe.StripeClient(key, stripe_account=account, base_addresses=addresses)  # type: ignore[arg-type]


def sign(body: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header of a body sent at `at`, seconds."""
    mark = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mark}"


def event(account: str | None, kind: str, thing: dict[str, Any], now: int) -> dict[str, Any]:
    """The envelope of an event about `thing` (facts section 5)."""
    made = {
        "id": f"evt_{_letters(24)}", "object": "event", "api_version": "2026-10-28.endive", "created": now,
        "livemode": False, "pending_webhooks": 1, "request": {"id": None, "idempotency_key": None}, "type": kind,
        "data": {"object": thing},
    }  # fmt: skip
    return made if account is None else {**made, "account": account}


def request_event(
    account: str, stripe_card: str, amount: int, merchant: str, now: int, **changes: Any
) -> dict[str, Any]:
    """An `issuing_authorization.request` in the shape of facts section 2.3.

    `pending` changes what is asked for, `merchant_data` the merchant, everything else the authorization itself.
    """
    pending = {
        "amount": amount, "amount_details": None, "currency": "usd", "is_amount_controllable": False,
        "merchant_amount": amount, "merchant_currency": "usd", "network_risk_score": None, **changes.pop("pending", {}),
    }  # fmt: skip
    shop = {
        "category": "computer_software_stores", "category_code": "5734", "city": "San Francisco", "country": "US",
        "name": merchant, "network_id": "1234567890", "postal_code": "94107", "state": "CA", "tax_id": None,
        "terminal_id": None, "url": None, **changes.pop("merchant_data", {}),
    }  # fmt: skip
    holder = {"id": "ich_1", "object": "issuing.cardholder"}
    authorization = {
        "id": f"iauth_{_letters(24)}", "object": "issuing.authorization", "amount": 0, "amount_details": None,
        "approved": False, "authorization_method": "online", "balance_transactions": [],
        "card": {"id": stripe_card, "object": "issuing.card", "cardholder": holder, "metadata": {}},
        "card_presence": "not_present", "cardholder": "ich_1", "created": now, "currency": "usd", "fleet": None,
        "fraud_challenges": None, "fuel": None, "livemode": False, "merchant_amount": 0, "merchant_currency": "usd",
        "merchant_data": shop, "metadata": {},
        "network_data": {
            "acquiring_institution_id": None, "system_trace_audit_number": None, "transaction_id": None
        },
        "pending_request": pending, "request_history": [], "status": "pending", "token": None, "transactions": [],
        "treasury": None,
        "verification_data": {
            "address_line1_check": "not_provided", "address_postal_code_check": "match",
            "authentication_exemption": None, "cvc_check": "match", "expiry_check": "match", "postal_code": "94111",
            "three_d_secure": None,
        },
        "verified_by_fraud_challenge": None, "wallet": None, **changes,
    }  # fmt: skip
    return event(account, "issuing_authorization.request", authorization, now)


class Installation:
    """A Roony set up by its environment, and a simulator of its own: two programs that know each other's address.

    Everything lies in `folder`, which may be copied while both are stopped; the books, if `database_url` says so, in
    that migrated database.
    """

    WEBHOOK_SECRET = "whsec_installation"
    STRIPE_KEY = "sk_test_installation"

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        self.folder = folder
        self.database_url = database_url or f"sqlite:///{folder}/roony.db"
        self._held = hold_port()
        self.port: int = self._held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.simulator: Child | None = None
        self.roony: Child | None = None
        self._callers: list[Caller] = []

    def environment(self) -> dict[str, str]:
        """What `roony serve` is told; the simulator must have been started."""
        assert self.simulator is not None
        address = self.simulator.ready["url"]
        return {
            **self.database_environment(),
            "STRIPE_SECRET_KEY": self.STRIPE_KEY,
            "STRIPE_WEBHOOK_SECRET": self.WEBHOOK_SECRET,
            "STRIPE_API_BASE": address,
            "STRIPE_CONNECT_BASE": address,
            "ROONY_SECRET_KEYS": base64.b64encode(hashlib.sha256(b"installation").digest()).decode(),
        }

    def database_environment(self) -> dict[str, str]:
        """Where the books are."""
        return {"ROONY_DATABASE_URL": self.database_url}

    def make(self) -> str:
        """`roony init`; returns the owner's key."""
        if self.database_url.startswith("sqlite"):
            lay_file(self.folder / "roony.db")
        arguments = ["init", "--name", "Acme Inc.", "--delivery", "raw", "--json"]
        environment = clean_environment(**self.database_environment())
        process = Forked(arguments, environment, self.folder / "init.log", stdout=True)
        assert process.stdout is not None
        with process.stdout as told:
            made = told.read()
        assert process.wait() == 0, (self.folder / "init.log").read_text()
        return str(json.loads(made)["admin_key"])

    def start_simulator(self) -> None:
        """The simulated Stripe; it knows Roony's address, whether or not Roony is there."""
        self.simulator = Child(
            ["simulator", "--port", "0", "--ready-json", "--state", f"{self.folder}/simulator.state",
             "--webhook-url", f"{self.url}{WEBHOOK}", "--webhook-secret", self.WEBHOOK_SECRET,
             "--secret-key", self.STRIPE_KEY],
            self.folder / "simulator.log",
        )  # fmt: skip

    def start_roony(self, *arguments: str, stop_at: str = "") -> None:
        """Roony, always at the same address; with `stop_at` it will kill itself there."""
        more = {"ROONY_STOP_AT": stop_at} if stop_at else {}
        self.roony = Child(
            ["serve", "--port", str(self.port), "--ready-json", *arguments], self.folder / "serve.log",
            **self.environment(), **more,
        )  # fmt: skip

    def caller(self, key: str) -> Caller:
        """Somebody with this key."""
        made = Caller(self.url, key)
        self._callers.append(made)
        return made

    def stripe(self) -> stripe.StripeClient:
        """The official client with the key of the account itself."""
        assert self.simulator is not None
        return sdk(self.simulator.ready["url"], self.STRIPE_KEY, None)

    def stop(self) -> None:
        """Ends both programs."""
        for caller in self._callers:
            caller.close()
        for child in (self.roony, self.simulator):
            if child is not None:
                child.stop()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
