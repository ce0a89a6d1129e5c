"""The door Stripe knocks at: raw ASGI before every router, signature on the raw bytes, an answer in milliseconds.

A real-time authorization request is answered here with a well-formed 200 whatever happens (design section 7); every
other event is kept once, durably, and answered 200 (section 8).
"""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from roony.core.authorization import STRIPE_VERSION
from roony.core.card_data import without_card_data, without_keys
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.preflight import REALTIME
from roony.core.text import readable
from roony.flows.authorization import AnswerAuthorization, Answered
from roony.flows.context import FlowContext
from roony.flows.inbox import HANDLED_TYPES
from roony.flows.tracing import trace_authorization
from roony.flows.webhook_endpoint import PATH
from roony.store import inbox
from roony.store.command import LATE, Ticket, TillClosed
from roony.store.event_keeper import EventKeeper
from roony.store.rows import InboxEvent
from roony.waits import Waits
from roony.web.authorization_request import (
    Envelope,
    read_envelope,
    read_object_id,
    read_request,
    seems_request,
)
from roony.web.forged import Forged, refusal
from roony.web.known_routes import KnownRoutes
from roony.web.latency import LatencyCounter
from roony.web.posted_body import PostedBodies
from roony.web.webhook_secrets import Speaker, WebhookSecrets

log = structlog.get_logger("roony.webhook")

# Stripe waits 2 s for the whole round trip; Roony is silent for at most this many of them.
ANSWER_SECONDS = 1.2
# A body that trickles in slower than this is not waited for.
BODY_SECONDS = 1.0
TIMESTAMP_TOLERANCE_SECONDS = 300
MAX_SIGNATURES = 8

_CONNECTION = re.compile(rb"connection=(con_[0-9A-Za-z]{1,40})")


_HEADERS = [(b"content-type", b"application/json"), (b"stripe-version", STRIPE_VERSION.encode())]


class WebhookDoor:
    """Answers `POST /api/webhooks/stripe` and hands everything else to the app behind it."""

    def __init__(
        self, context: FlowContext, secrets: Sequence[str], app: ASGIApp, on_kept: Callable[[], None] = lambda: None
    ) -> None:
        """`secrets` are those of the environment, newest first: they speak for the platform, and without an account
        for the direct connection. One kept with a connection speaks for that one only. `on_kept` wakes the worker.
        """
        self._context = context
        self._secrets = [secret.encode() for secret in secrets]
        self._kept_secrets = WebhookSecrets(context)
        self._app = app
        self._on_kept = on_kept
        self.keeper = EventKeeper(context.till)
        self._routes = KnownRoutes(context)
        self.latency = LatencyCounter()
        self.forged = Forged()
        self._bodies = PostedBodies()
        self._asking: Waits[Ticket] = Waits(self._expire)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        if scope["method"] != "POST":
            await self._refuse(send, 405, "method_not_allowed", "Stripe posts its events here.", (b"allow", b"POST"))
            return
        body = await self._bodies.read(scope["headers"], receive, began + BODY_SECONDS)
        if not isinstance(body, bytes):
            await self._refuse(send, body.status, body.code, body.message, (b"connection", b"close"))
            return
        speaker = None
        if not self._is_signed(scope["headers"], body, self._secrets):
            try:
                async with asyncio.timeout(began + ANSWER_SECONDS - time.monotonic()):
                    speaker = await self._speaker(scope, body)
            except self._away as error:
                await self._unsure(send, body, error)
                return
            if speaker is None:
                await self._refuse_forged(send)
                return
        body = without_card_data(body)
        # Kept as it came, read as it can be written.
        envelope = read_envelope(readable(body))
        if envelope is not None and speaker is not None:
            if envelope.account not in (None, speaker.stripe_account) or envelope.livemode != speaker.livemode:
                await self._refuse(send, 400, "wrong_account", "This secret does not speak for that account.")
                return
            # An account's own endpoint does not name the account (facts section 5).
            envelope = msgspec.structs.replace(envelope, account=speaker.stripe_account)
        if envelope is None and seems_request(body):
            # Anything but a 200 would leave the answer to a setting at Stripe.
            log.error("authorization.unreadable")
            await _reply(send, 200, self._declined("UNREADABLE"))
        elif envelope is None:
            await self._refuse(send, 400, "unreadable", "This is not a Stripe event.")
        elif envelope.type == REALTIME:
            await _reply(send, 200, await self._answer(envelope, body, began))
            self.latency.count(time.monotonic() - began)
        else:
            await self._keep(send, envelope, body)

    async def _refuse(
        self, send: Send, status: int, code: str, message: str, header: tuple[bytes, bytes] | None = None
    ) -> None:
        """An answer that is no decision, in the shape of every error of Roony."""
        request_id = self._context.new_id("req")
        error = {"code": code, "message": message, "request_id": request_id}
        more = [(b"request-id", request_id.encode()), *([header] if header else [])]
        log.info("webhook.refused", status=status, code=code, request_id=request_id)
        await _reply(send, status, msgspec.json.encode({"error": error}), more)

    async def _refuse_forged(self, send: Send) -> None:
        request_id = self._context.new_id("req")
        self.forged.count(request_id)
        headers, body = refusal(request_id)
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    @property
    def _away(self) -> tuple[type[Exception], ...]:
        """What is raised while the database is away or too slow, or takes no write."""
        return (*self._context.database.errors, TimeoutError, TillClosed)

    # Signature

    async def _speaker(self, scope: Scope, body: bytes) -> Speaker | None:
        """The connection named in the address, if the body is signed with a secret of its own endpoint."""
        found = _CONNECTION.fullmatch(scope.get("query_string", b""))
        if found is None:
            return None
        id = found[1].decode()
        tried = None
        for look in (self._kept_secrets.speaker, self._kept_secrets.newer):
            speaker = await look(id)
            # The same secrets are not tried twice.
            if speaker is not None and speaker != tried:
                tried = speaker
                good = speaker.good_at(self._context.clock())
                if self._is_signed(scope["headers"], body, good):
                    return speaker
        return None

    async def _unsure(self, send: Send, body: bytes, error: Exception) -> None:
        """Nobody can say whose secret signed it: Stripe brings an event again, and a decline tells a forger nothing."""
        log.error("webhook.secrets_not_known", error=type(error).__name__)
        if seems_request(body):
            await _reply(send, 200, self._declined("BUSY"))
        else:
            await self._refuse(send, 503, "database_away", "Roony's database is away. Send it again.")

    def _is_signed(self, headers: Sequence[tuple[bytes, bytes]], body: bytes, secrets: Sequence[bytes]) -> bool:
        """Like the SDK's verify_header, and also refusing timestamps from the future (facts section 5)."""
        header, stamp, signatures = b"", b"", []
        for name, value in headers:
            if name == b"stripe-signature":
                header = value
                break
        for part in header.split(b",", MAX_SIGNATURES + 2):
            name, _, value = part.strip().partition(b"=")
            if name == b"t":
                stamp = value
            elif name == b"v1":
                signatures.append(value)
        if not stamp.isdigit() or len(stamp) > 12 or not signatures:
            return False
        age = self._context.clock() // SECOND - int(stamp)
        if abs(age) > TIMESTAMP_TOLERANCE_SECONDS:
            return False
        payload = stamp + b"." + body
        for secret in secrets:
            expected = hmac.digest(secret, payload, "sha256").hex().encode()
            if any(hmac.compare_digest(expected, signature) for signature in signatures[:MAX_SIGNATURES]):
                return True
        return False

    # A real-time authorization request

    async def _answer(self, envelope: Envelope, body: bytes, began: float) -> bytes:
        """Always a well-formed answer: whatever goes wrong is a decline with its code (P11)."""
        try:
            return await self._decide(envelope, body, began)
        except TimeoutError:
            log.error("authorization.late", event_id=envelope.id)
            return self._declined("LATE")
        except self._away as error:
            log.error("authorization.database_away", event_id=envelope.id, error=type(error).__name__)
            return self._declined("BUSY")
        except Exception as error:
            log.exception("authorization.failed", event_id=envelope.id, error=type(error).__name__)
            return self._declined("UNREADABLE")

    async def _decide(self, envelope: Envelope, body: bytes, began: float) -> bytes:
        """Raises TimeoutError when the account's route, or keeping a request of nobody, takes too long."""
        context, deadline = self._context, began + ANSWER_SECONDS
        if context.till.away:
            # Nor would the account's route be found: looking for it takes time.
            return self._declined("BUSY")
        try:
            request = read_request(envelope)
        except (msgspec.DecodeError, ValueError):
            await self._keep_ignored(envelope, body, "unreadable authorization request", deadline)
            return self._declined("UNREADABLE")
        route = await self._routes.of(envelope.account, envelope.livemode, deadline)
        if route is None:
            await self._keep_ignored(envelope, body, "unknown account", deadline)
            return self._declined("CONNECTION_INACTIVE")
        event = inbox.answered_event(
            envelope.id, envelope.account, envelope.livemode, envelope.type, route.organization_id,
            request.authorization_id, envelope.created, body, context.clock(),
        )  # fmt: skip
        command = AnswerAuthorization(
            route.organization_id, route.connection_id, request, context.new_id("dec"), event, began
        )
        answer = await self._ask_till(command, deadline)
        if isinstance(answer, Refusal):
            log.error("authorization.not_decided", event_id=envelope.id, code=answer.code)
            return self._declined("LATE" if answer.code == "late" else "BUSY")
        outcome = "declined" if not answer.approved else "partial" if answer.partial else "approved"
        context.measures.authorizations[outcome, answer.code] += 1
        if context.traces is not None:
            since = time.time_ns() - int((time.monotonic() - began) * 1e9)
            trace_authorization(
                context.traces, route.organization_id, answer.purchase_id, request.authorization_id,
                not request.ordinal, envelope.id, outcome, answer.code, since,
            )  # fmt: skip
        return _answer_body(answer)

    def _declined(self, code: str) -> bytes:
        """A decline of the door itself, counted."""
        self._context.measures.authorizations["declined", code] += 1
        return _decline(code)

    async def _ask_till(self, command: AnswerAuthorization, deadline: float) -> Answered | Refusal:
        """The till's answer, or LATE at the deadline: then a decline is sent, and the book comes to know it (P5)."""
        till = self._context.till
        ticket = till.enqueue(command, deadline, asyncio.get_running_loop())
        self._asking.begin(ticket, deadline)
        try:
            answer: Answered | Refusal = await ticket.future
        except asyncio.CancelledError:
            till.give_up(ticket)
            raise
        finally:
            self._asking.end(ticket)
        if time.monotonic() > deadline and not isinstance(answer, Refusal):
            # The answer was there in time but this loop was not: what would be sent now is late all the same.
            till.give_up(ticket)
            return LATE
        return answer

    def _expire(self, ticket: Ticket) -> None:
        self._context.till.expire(ticket)

    async def _keep_ignored(self, envelope: Envelope, body: bytes, reason: str, deadline: float) -> None:
        kept = self._event(envelope, body, reason)
        async with asyncio.timeout(deadline - time.monotonic()):
            await self._context.till.write(inbox.keep(kept))

    # Every other event

    async def _keep(self, send: Send, envelope: Envelope, body: bytes) -> None:
        """Kept once before the 200; 503 when it cannot be, so that Stripe sends it again."""
        reason = None if envelope.type in HANDLED_TYPES else "not an event Roony needs"
        event = self._event(envelope, without_keys(body), reason)
        try:
            new = await self.keeper.keep(event)
        except TillClosed as closed:
            await self._refuse(send, 503, "busy", str(closed), (b"retry-after", b"5"))
            return
        except Exception as error:
            log.exception("event.not_kept", event_id=envelope.id, error=type(error).__name__)
            await self._refuse(send, 503, "not_kept", "The event could not be kept. Send it again.")
            return
        if new and reason is None:
            self._on_kept()
        await _reply(send, 200, b'{"received":true}')

    def _event(self, envelope: Envelope, body: bytes, ignored: str | None = None) -> InboxEvent:
        return inbox.new_event(
            envelope.id, envelope.account, envelope.livemode, envelope.type, read_object_id(envelope),
            envelope.created, body, self._context.clock(), ignored,
        )  # fmt: skip


def _answer_body(answer: Answered) -> bytes:
    """Ids and codes are ours and need no escaping."""
    amount = f'"amount":{answer.amount},' if answer.partial else ""
    word = "true" if answer.approved else "false"
    purchase = answer.purchase_id or ""
    return (
        f'{{"approved":{word},{amount}"metadata":{{"decision_id":"{answer.decision_id}",'
        f'"purchase_id":"{purchase}","code":"{answer.code}"}}}}'
    ).encode()


def _decline(code: str) -> bytes:
    return f'{{"approved":false,"metadata":{{"code":"{code}"}}}}'.encode()


async def _reply(send: Send, status: int, body: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*_HEADERS, length, *more]})
    await send({"type": "http.response.body", "body": body})
