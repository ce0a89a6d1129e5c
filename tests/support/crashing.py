"""A company on a served Roony that kills itself where it is told to, and what is done until all is well again.

Roony runs in a process of its own, forked so that a test can afford hundreds of starts.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx2
import sqlalchemy
import stripe

from roony.client.callers import IDLE_SECONDS
from roony.core.agent import Organization
from roony.core.audit import AuditRecord, verify
from roony.core.authorization import Authorization
from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.core.settlement import StripeTransaction
from roony.store.database import Database
from roony.store.rows import InboxEvent, OutboxPromise
from roony.store.tables import TABLE_OF
from tests.support.books import Books, Clock, lay_file
from tests.support.forking import PATIENCE, Forked, fork_pipe
from tests.support.ports import hold_port
from tests.support.promises import agents_hear_of_their_own, one_card_each, open_money_is_held, sums_are_right
from tests.support.served import BUDGETS, SOFTWARE, WEBHOOK, Child, event, sdk, sign, unique
from tests.support.serving import Caller

WEBHOOK_SECRET = "whsec_installation"
STRIPE_KEY = "sk_test_installation"
DYING_SECONDS = 3.0
# How often one step is begun again: it dies once, and now and then finds a server that is just going.
MAX_TRIES = 4
ADMIN = "/api/v1/admin"
ASK = "/api/v1/purchase_intents"
DONE = ("applied", "ignored")


class Process:
    """One forked `roony` that obeys orders to die at a stop point."""

    def __init__(self, environment: dict[str, str], arguments: list[str], log: Path) -> None:
        self.orders, theirs = fork_pipe()
        self._child = Forked(arguments, environment, log, orders=theirs)
        theirs.close()
        self.pid = self._child.pid

    def order(self, word: str) -> None:
        """Arms a point, and waits until it is armed."""
        self.orders.send(word)
        assert self.orders.poll(PATIENCE)
        assert self.orders.recv() == "armed"

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._child.poll() is None

    def wait(self, seconds: float = PATIENCE) -> int:
        """Waits for its end; the exit code, negative for a signal."""
        return self._child.wait(seconds)

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it is doing."""
        self._child.kill()

    def stop(self) -> None:
        """Ends it, at once."""
        self._child.kill()
        self._child.wait()
        self.orders.close()


class Crashable:
    """A company with one owner, a connected account and a simulated Stripe. `url` is of its database."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.database_url = url or f"sqlite:///{folder / 'roony.db'}"
        self._held = hold_port()
        self.port: int = self._held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.simulator: Child | None = None
        self.process: Process | None = None
        self.crashes = 0
        # Where it is to die again, once for each restart.
        self.next_stops: list[str] = []
        # What programs that are started from now on are told besides.
        self.settings: dict[str, str] = {}
        self.restarts = 0
        # Events that a test made up, and that no books follow from.
        self.strange: set[str] = set()
        # ROONY_SECRET_KEYS, as of the next start.
        self.secret_keys = base64.b64encode(hashlib.sha256(b"installation").digest()).decode()
        self._callers: list[Caller] = []
        self._control: httpx2.Client | None = None
        self._database: Database | None = None

    # Programs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for caller in self._callers:
            caller.close()
        if self.process is not None:
            self.process.stop()
        if self._control is not None:
            self._control.close()
        if self.simulator is not None:
            self.simulator.stop()
        if self._database is not None:
            self._database.close()
        self._held.close()

    def environment(self, **more: str) -> dict[str, str]:
        """What every program is told."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "ROONY_"))}
        told = {
            "ROONY_DATABASE_URL": self.database_url,
            "ROONY_OUTBOUND_NETWORKS": "127.0.0.0/8",
            **self.settings,
            **more,
        }
        if self.simulator is not None:
            address = self.simulator.ready["url"]
            told |= {
                "STRIPE_SECRET_KEY": STRIPE_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "STRIPE_CONNECT_CLIENT_ID": self.simulator.ready["client_id"],
                "STRIPE_APP_CLIENT_ID": self.simulator.ready["client_id"],
                "STRIPE_API_BASE": address, "STRIPE_CONNECT_BASE": address,
                "ROONY_SECRET_KEYS": self.secret_keys,
            }  # fmt: skip
        return {**kept, **told}

    def init(self, stop_at: str = "") -> int:
        """`roony init`; returns its exit code. The owner's key is kept beside the database on SQLite, else logged."""
        return self._run(["init", "--name", "Acme Inc.", "--delivery", "raw", "--json"], stop_at)

    def archive(self, stop_at: str = "") -> int:
        """`roony archive` of what is 45 days old; returns its exit code."""
        return self._run(["archive", "--older-than", "45", "--json"], stop_at)

    def restore(self, stop_at: str = "") -> int:
        """`roony restore`: what `roony backup` wrote into `copy` on SQLite, else the database as it is."""
        if self._database is not None:
            # It would go on reading the file that is put aside.
            self._database.close()
            self._database = None
        copy = ["--in-place"] if self.database_url.startswith("postgresql") else [f"{self.folder}/copy", "--replace"]
        return self._run(["restore", *copy, "--json"], stop_at)

    def back_up(self) -> int:
        """`roony backup` of SQLite into `copy`."""
        return self._run(["backup", f"{self.folder}/copy", "--json"], "")

    def _run(self, arguments: list[str], stop_at: str) -> int:
        """A command that opens the database, until it ends or dies."""
        more = {"ROONY_STOP_AT": stop_at} if stop_at else {}
        process = Process(self.environment(**more), arguments, self.folder / f"{arguments[0]}.log")
        try:
            return process.wait()
        finally:
            process.stop()

    def admin_key(self) -> str:
        """What the last `init` printed."""
        log = (self.folder / "init.log").read_text()
        return str(json.JSONDecoder().raw_decode(log, log.rindex("{"))[0]["admin_key"])

    def start_simulator(self) -> None:
        """The simulated Stripe."""
        self.simulator = Child(
            ["simulator", "--port", "0", "--ready-json", "--webhook-url", f"{self.url}{WEBHOOK}",
             "--webhook-secret", WEBHOOK_SECRET, "--secret-key", STRIPE_KEY],
            self.folder / "simulator.log",
        )  # fmt: skip
        address = self.simulator.ready["url"]
        limits = httpx2.Limits(keepalive_expiry=IDLE_SECONDS)
        self._control = httpx2.Client(base_url=address, timeout=30, trust_env=False, verify=False, limits=limits)
        self.account = str(self.control("state")["platform"])

    def start(self, stop_at: str = "") -> None:
        """Roony; returns when it answers, or when it has died at `stop_at` before it ever did."""
        more = {"ROONY_STOP_AT": stop_at} if stop_at else {}
        arguments = ["serve", "--port", str(self.port), "--ready-json"]
        self.process = Process(self.environment(**more), arguments, self.folder / "serve.log")
        self.restarts += 1
        until_time = time.monotonic() + PATIENCE
        while self.process.is_alive:
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.url}/healthz", timeout=5, trust_env=False, verify=False).status_code == 200:
                    return
            assert time.monotonic() < until_time, "Roony does not answer"
            time.sleep(0.01)
        assert stop_at, f"Roony ended by itself:\n{(self.folder / 'serve.log').read_text()[-4000:]}"

    def open(self) -> None:
        """Everything: the organization, Stripe, Roony."""
        assert self.init() == 0
        self.start_simulator()
        self.start()
        self.owner = self.caller(self.admin_key())

    def connect_direct(self) -> None:
        """The account of the key itself."""
        self.send(self.owner, "POST", f"{ADMIN}/connections", {"kind": "direct"})
        assert "active" in [row["status"] for row in self.get("connections")["data"]]

    def arm(self, point: str) -> None:
        """Roony will die at this point."""
        assert self.process is not None
        self.process.order(point)

    def disarm(self) -> None:
        """Roony will not die any more; if it is just doing so, it is started again."""
        try:
            self.arm("")
        except (EOFError, OSError):
            self.recover()

    def recover(self) -> None:
        """Waits until it is dead, lets the leases of the dead run out, and starts it again."""
        assert self.process is not None
        code = self.process.wait()
        assert code == -signal.SIGKILL, (code, (self.folder / "serve.log").read_text()[-4000:])
        self.process.stop()
        self.crashes += 1
        self.sql(
            "UPDATE inbox SET lease_until = 0", "UPDATE outbox SET lease_until = 0",
            "UPDATE app_tokens SET lease_until = 0", "UPDATE notice_deliveries SET lease_until = 0",
            "UPDATE leases SET until = 0",
        )  # fmt: skip
        self.start(stop_at=self.next_stops.pop(0) if self.next_stops else "")

    def expect_crash(self, crashes: int, point: str) -> None:
        """It died once more, at this point; it may be about to, when its last commit is all that was waited for."""
        deadline = time.monotonic() + DYING_SECONDS
        while self.crashes < crashes and not self.recovered():
            assert time.monotonic() < deadline, f"{point} was not reached"
            time.sleep(0.01)
        assert self.crashes == crashes, f"{point} was reached more than once"

    def recovered(self) -> bool:
        """True, and running again, when it had died."""
        assert self.process is not None
        if self.process.is_alive:
            return False
        self.recover()
        return True

    # Callers, who try again as callers do

    def caller(self, key: str | None) -> Caller:
        """Somebody with this key."""
        made = Caller(self.url, key)
        self._callers.append(made)
        return made

    def insist(self, step: Callable[[], Any]) -> Any:
        """Does a step; when Roony dies under it, starts Roony again and does the step again."""
        for _ in range(MAX_TRIES):
            try:
                return step()
            except httpx2.TransportError:
                self.recover()
        raise AssertionError("it dies again and again")

    def insist_on_nothing(self, step: Callable[[], Any]) -> None:
        """Does a step once; when Roony dies under it, Roony is started again and the step is not repeated."""
        try:
            step()
        except httpx2.TransportError:
            self.recover()

    def send(self, caller: Caller, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """A change, said again when no answer came; said twice it may be refused as done already (404, 409)."""
        tries = 0

        def step() -> Any:
            nonlocal tries
            tries += 1
            answer = caller.call(method, path, body, **more)
            done_already = tries > 1 and answer.status_code in (404, 409)
            assert answer.status_code < 300 or done_already, answer.text
            return answer.json()

        return self.insist(step)

    def get(self, path: str, **params: Any) -> Any:
        """What the owner sees."""
        return self.insist(lambda: self.owner.get(f"{ADMIN}/{path}", params=params))

    def agent(self, **more: Any) -> Caller:
        """A new agent with wide budgets and a project of its own."""
        project = self.send(self.owner, "POST", f"{ADMIN}/projects", {"name": unique("Project")})["id"]
        body = {"name": unique("Agent"), "project_id": project, "budgets": BUDGETS, **more}
        made = self.send(self.owner, "POST", f"{ADMIN}/agents", body)
        caller = self.caller(made["key"])
        caller.agent_id = made["id"]  # type: ignore[attr-defined]
        return caller

    def ask(self, agent: Caller, amount: int = 5_000, key: str = "", **more: Any) -> dict[str, Any]:
        """One wish with one key, until it has an answer."""
        merchant = more.pop("merchant", None) or unique("Shop")
        body = {
            "amount": amount, "currency": "usd", "description": "1 month",
            "merchant": {"name": merchant, **SOFTWARE}, **more,
        }  # fmt: skip
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return dict(self.insist(lambda: self._asked(agent.call("POST", ASK, body, headers=headers))))

    @staticmethod
    def _asked(answer: Any) -> Any:
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def buy(self, agent: Caller, amount: int = 5_000, **more: Any) -> dict[str, Any]:
        """A purchase that has its card: the purchase, with `stripe_card` and `shop`."""
        shop = more.pop("merchant", None) or unique("Shop")
        asked = self.ask(agent, amount, merchant=shop, **more)
        return {**self.until_status(asked["id"], "ready"), "stripe_card": self.stripe_card(asked["id"]), "shop": shop}

    def until_status(self, purchase_id: str, *wanted: str) -> dict[str, Any]:
        """Waits for a purchase, starting Roony again when it dies meanwhile."""
        found: dict[str, Any] = {}

        def look() -> bool:
            nonlocal found
            found = self.get(f"purchases/{purchase_id}")
            return found["status"] in wanted

        self.until(look)
        return found

    def until(self, look: Callable[[], bool]) -> None:
        """Waits until it is so, starting Roony again when it dies meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while not look():
            assert time.monotonic() < deadline, "it never came to be"
            self.recovered()
            time.sleep(0.02)

    def stripe_card(self, purchase_id: str) -> str:
        """The card of a purchase at Stripe."""
        [row] = self.get("cards", purchase_id=purchase_id)["data"]
        return str(row["stripe_card_id"])

    # Stripe and merchants

    def control(self, path: str, body: Any = None) -> Any:
        """One of the simulator's own controls: POST with a body, else GET."""
        assert self._control is not None
        path = f"/_simulator/{path}"
        answer = self._control.get(path) if body is None else self._control.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stripe(self, account: str | None = None) -> stripe.StripeClient:
        """The official client."""
        assert self.simulator is not None
        return sdk(self.simulator.ready["url"], STRIPE_KEY, account)

    def network(self, account: str | None = None) -> Any:
        """What merchants can do with cards."""
        return self.stripe(account).v1.test_helpers.issuing.authorizations

    def pay(self, bought: dict[str, Any], amount: int = 5_000, account: str | None = None) -> Any:
        """A merchant asks for money until it is given, since Roony may be dead when it is asked."""
        for _ in range(MAX_TRIES):
            made = self.network(account).create(
                {"card": bought["stripe_card"], "amount": amount, "merchant_data": {"name": bought["shop"], **SOFTWARE}}
            )
            if made.approved:
                return made
            # Stripe tells of its decline; after that the card is as if it had never been asked.
            self.recovered()
            self.settle()
        raise AssertionError(f"never approved: {made.request_history}")

    def tell(self, body: dict[str, Any], secret: str = WEBHOOK_SECRET) -> int:
        """Posts an event as Stripe does, again until it is taken; the status."""
        raw = json.dumps(body).encode()
        self.strange.add(body["id"])

        def step() -> int:
            headers = {
                "Stripe-Signature": sign(raw, secret, int(time.time())), "Content-Type": "application/json",
            }  # fmt: skip
            answer = httpx2.post(
                f"{self.url}{WEBHOOK}", content=raw, headers=headers, timeout=30, trust_env=False, verify=False
            )
            return answer.status_code

        return int(self.insist(step))

    def made_up(self, kind: str, thing: dict[str, Any], account: str | None = None) -> dict[str, Any]:
        """An event that no simulated merchant causes."""
        return event(account, kind, thing, int(time.time()))

    # The database, from outside

    @property
    def books(self) -> Books:
        """The tables, read past Roony."""
        if self._database is None:
            self._database = Database(self.database_url)
        return Books(self._database, None, Clock())  # type: ignore[arg-type]

    def sql(self, *statements: str, **values: str) -> None:
        """Changes rows past Roony: what only time does otherwise."""
        engine = sqlalchemy.create_engine(self.books.database.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sqlalchemy.text(statement), values)
        engine.dispose()

    def put(self, row: tuple[Any, ...]) -> None:
        """Writes a row past Roony: what only a fault does otherwise."""
        engine = sqlalchemy.create_engine(self.books.database.url)
        with engine.begin() as connection:
            connection.execute(TABLE_OF[type(row)].insert().values(**row._asdict()))  # type: ignore[attr-defined]
        engine.dispose()

    def let_time_pass(self) -> None:
        """What was put off is due."""
        self.sql(
            "UPDATE inbox SET due_at = 0 WHERE status IN ('received', 'failed')",
            "UPDATE outbox SET due_at = 0 WHERE status = 'promised'",
        )

    # The end of all

    def settle(self) -> None:
        """Waits until Stripe has told everything and Roony has done everything."""
        deadline = time.monotonic() + PATIENCE
        while (left := self._unfinished()) and time.monotonic() < deadline:
            self.recovered()
            for promised in left.get("undelivered", ()):
                # Its next try comes later and later; here it is asked for now.
                if promised["tries"] > 0:
                    self.control(f"events/{promised['event']}/resend", {})
            if left.get("put off"):
                self.let_time_pass()
            time.sleep(0.02)
        assert not left, left

    def _unfinished(self) -> dict[str, Any]:
        undelivered = self.control("state")["undelivered"]
        events = [
            row for row in self.books.rows(InboxEvent)
            if row.status not in (*DONE, "dead") and not (row.id in self.strange and row.status == "failed")
        ]  # fmt: skip
        promises = [row for row in self.books.rows(OutboxPromise) if row.status == "promised"]
        soon = time.time_ns() // 1000 + 100_000
        put_off = [row.id for row in (*events, *promises) if row.due_at > soon]
        waiting = [row.type for row in events] + [row.kind for row in promises]
        found = {"undelivered": undelivered, "waiting": waiting, "put off": put_off}
        return {name: what for name, what in found.items() if what}

    def check(self) -> None:
        """All is well: the promises hold, and the books are Stripe's."""
        self.settle()
        books, state = self.books, self.control("state")
        sums_are_right(books)
        agents_hear_of_their_own(books)
        open_money_is_held(books)
        one_card_each(books)
        # Roony goes on meanwhile: what was written since the heads were read is not looked at.
        heads = {row.id: (row.audit_sequence, row.audit_hash) for row in books.rows(Organization)}
        records = books.rows(AuditRecord)
        for id, head in heads.items():
            own = [record for record in records if record.organization_id == id and record.sequence <= head[0]]
            assert verify(own, head) is None
        self._same_money(books, state)
        self._same_cards(books, state)
        self._every_event(books, state)

    def _same_money(self, books: Books, state: dict[str, Any]) -> None:
        """Captured and refunded of each purchase, and every authorization, as Stripe has them."""
        cards = {card.stripe_card_id: card for card in books.rows(Card) if card.stripe_card_id}
        booked = {row.id: row for row in books.rows(StripeTransaction)}
        totals: dict[str, list[int]] = {}
        for told in state["transactions"]:
            row = booked.get(told["id"])
            if told["card"] in cards:
                assert row is not None, told
                assert row.purchase_id == cards[told["card"]].purchase_id, row
            if row is not None and row.purchase_id is not None:
                totals.setdefault(row.purchase_id, [0, 0])[told["type"] == "refund"] += abs(told["amount"])
        for purchase in books.rows(Purchase):
            assert [purchase.captured, purchase.refunded] == totals.get(purchase.id, [0, 0]), purchase
        known = {row.id: row for row in books.rows(Authorization)}
        for told in state["authorizations"]:
            if told["card"]["id"] in cards:
                row = known[told["id"]]
                assert (row.status, bool(row.approved)) == (told["status"], told["approved"]), row

    def _same_cards(self, books: Books, state: dict[str, Any]) -> None:
        """P2: of each purchase one live card at most, the one recorded; each known as it is at Stripe."""
        at_stripe = {card["id"]: card for card in state["cards"]}
        recorded = {card.id: card for card in books.rows(Card)}
        for card in recorded.values():
            if card.stripe_card_id in at_stripe:
                assert card.stripe_status == at_stripe[card.stripe_card_id]["status"], card
        for id, made in at_stripe.items():
            own = made["metadata"].get("roony_card")
            if own is not None and made["status"] != "canceled":
                assert recorded[own].stripe_card_id == id, made

    def _every_event(self, books: Books, state: dict[str, Any]) -> None:
        """P12: whatever Stripe tells is kept once and handled."""
        kept = {row.id: row for row in books.events()}
        ours = {WEBHOOK in endpoint["url"] for endpoint in state["webhook_endpoints"]}
        assert ours == {True}
        for told in state["events"]:
            if told["type"] != "issuing_authorization.request" and told["id"] in kept:
                assert kept[told["id"]].status in DONE, kept[told["id"]]
        lost = [
            told["type"] for told in state["events"]
            if told["id"] not in kept and told["type"].startswith(("issuing_transaction.", "issuing_authorization.c"))
        ]  # fmt: skip
        assert not lost, lost


@contextlib.contextmanager
def crashable(folder: Path, url: str | None = None) -> Iterator[Crashable]:
    """A company that is open, without any account connected."""
    if url is None:
        lay_file(folder / "roony.db")
    with Crashable(folder, url) as company:
        company.open()
        yield company
