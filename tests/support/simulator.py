"""A simulator in a process of its own, and a receiver for what it sends, for any test that needs a Stripe."""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from urllib.parse import urlencode

import stripe

from tests.support.forking import PATIENCE, Forked
from tests.support.listening import Listening, whole_body

STRIPE_VERSION = "2026-10-28.endive"
REQUEST = "issuing_authorization.request"


class SimulatorProcess:
    """`python -m roony.simulator` as a child, ready when the constructor returns."""

    def __init__(self, *options: str) -> None:
        self._folder = TemporaryDirectory()
        self._log = Path(self._folder.name) / "stderr"
        self.process = Forked(
            ["--port", "0", "--ready-json", "--parent-pipe", *options], dict(os.environ), self._log,
            folder=Path.cwd(), stdin=True, stdout=True, program="roony.simulator.__main__",
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The simulator did not start: exit code {self.stop()}.")
        ready = json.loads(line)
        self.url: str = ready["url"]
        self.account: str = ready["account"]
        self.secret_key: str = ready["secret_key"]
        self.client_id: str = ready["client_id"]
        self.webhook_secret: str = ready["webhook_secret"]

    def client(self, account: str | None = None, key: str | None = None, **options: Any) -> stripe.StripeClient:
        """Return the official client, pointed here."""
        stripe.enable_telemetry = False
        addresses = {"api": self.url, "connect": self.url, "files": self.url, "meter_events": self.url}
        return stripe.StripeClient(
            key or self.secret_key,
            stripe_account=account,
            base_addresses=addresses,  # type: ignore[arg-type]
            client_id=self.client_id,
            **options,
        )

    def control(self, path: str, body: Any = None) -> Any:
        """Call one of the simulator's own controls: POST with a body, else GET."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_simulator/{path}", data)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - as above
            return json.loads(answer.read())

    def connect(self, name: str = "Figma Buyers", scope: str = "read_write") -> str:
        """Connect a new business as a person would, and return its account id."""
        code = self.approve(name, scope)
        token = self.client().oauth.token({"grant_type": "authorization_code", "code": code})
        return str(token.stripe_user_id)

    def approve(self, name: str = "Figma Buyers", scope: str = "read_write") -> str:
        """Press the button on the OAuth page and return the code of the redirect."""
        address = self.redirect({"action": "approve", "business_name": name}, scope=scope)
        return address.partition("code=")[2].partition("&")[0]

    def redirect(self, form: dict[str, str], path: str = "/oauth/authorize", **query: str) -> str:
        """Send the form of an OAuth page and return where it redirects to."""
        asked = {"client_id": self.client_id, "redirect_uri": "http://localhost:9/back", "state": "s1", **query}
        url = f"{self.url}{path}?{urlencode({'response_type': 'code', **asked})}"
        opener = urllib.request.build_opener(_KeepRedirect)
        with opener.open(url, urlencode(form).encode(), timeout=PATIENCE) as answer:
            assert answer.status == 303
            return str(answer.headers["location"])

    def stop(self, *, kill: bool = False) -> int:
        """End the process, gently or not, and return its exit code."""
        if self.process.poll() is None:
            if kill:
                self.process.kill()
            else:
                self.process.terminate()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if self._log.exists():
            sys.stderr.write(self._log.read_text())
            self._folder.cleanup()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class _KeepRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *parts: Any) -> None:
        return None

    def http_error_303(self, request: Any, answer: Any, *rest: Any) -> Any:
        return answer


Answer = tuple[int, dict[str, str], bytes]


def approve_all(event: dict[str, Any]) -> Answer:
    """Answer every authorization request with yes, everything else with 200."""
    return said({"approved": True})


def said(body: Any, version: str | None = STRIPE_VERSION, kind: str = "application/json") -> Answer:
    """Return a 200 with the headers Stripe wants of a real-time answer."""
    headers = {"Content-Type": kind, **({"Stripe-Version": version} if version else {})}
    return 200, headers, json.dumps(body).encode()


class Receiver:
    """A webhook endpoint that keeps all it got; `answer` decides what it says."""

    def __init__(self, answer: Callable[[dict[str, Any]], Answer] = approve_all) -> None:
        self.answer = answer
        self.received: list[tuple[bytes, str]] = []
        self._news = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = whole_body(self)
                if body is None:
                    return
                current = self.path == receiver.path
                signature = self.headers["stripe-signature"]
                status, headers, said_ = receiver._take(body, signature) if current else (200, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said_)))
                self.end_headers()
                self.wfile.write(said_)

            def log_message(self, *parts: Any) -> None:
                pass

        class Server(Listening):
            def handle_error(self, *parts: Any) -> None:
                pass  # the simulator hangs up on answers that come too late

        self._server = Server(("127.0.0.1", 0), Handler)
        self.path = "/hook"
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens now."""
        return self.base + self.path

    def begin_again(self) -> str:
        """Forget everything, move to a new path, and return the address: what is still on its way is not heard."""
        self.path = f"/hook/{uuid.uuid4().hex}"
        self.received.clear()
        self.answer = approve_all
        return self.url

    def _take(self, body: bytes, signature: str) -> Answer:
        with self._news:
            self.received.append((body, signature))
            self._news.notify_all()
        return self.answer(json.loads(body))

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events so far, in order of arrival."""
        return [json.loads(body) for body, _ in list(self.received)]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type."""
        return [event for event in self.events if event["type"] == kind]

    def wait_for(self, kind: str, count: int = 1, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """Return the events of a type once there are so many; fail when they do not come."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.of(kind)) >= count, seconds), (
                f"only {len(self.of(kind))} of {count} {kind}: {[event['type'] for event in self.events]}"
            )
        return self.of(kind)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def new_cardholder(client: stripe.StripeClient, **extra: Any) -> Any:
    """Create a cardholder that may hold active cards."""
    address = {"line1": "1 Main St", "city": "San Francisco", "country": "US", "postal_code": "94107", "state": "CA"}
    person = {
        "first_name": "Jenny",
        "last_name": "Rosen",
        "card_issuing": {"user_terms_acceptance": {"date": 1700000000, "ip": "127.0.0.1"}},
    }
    params = {"name": "Jenny Rosen", "type": "individual", "individual": person, "billing": {"address": address}}
    return client.v1.issuing.cardholders.create({**params, **extra})  # type: ignore[typeddict-item]


def new_card(client: stripe.StripeClient, cardholder: str | None = None, **extra: Any) -> Any:
    """Create an active virtual card."""
    holder = cardholder or new_cardholder(client).id
    params = {"cardholder": holder, "currency": "usd", "type": "virtual", "status": "active"}
    return client.v1.issuing.cards.create({**params, **extra})  # type: ignore[typeddict-item]


def authorize(client: stripe.StripeClient, card: str, amount: int, **extra: Any) -> Any:
    """Let a merchant ask for money."""
    helpers = client.v1.test_helpers.issuing.authorizations
    return helpers.create({"card": card, "amount": amount, **extra})  # type: ignore[typeddict-item]
