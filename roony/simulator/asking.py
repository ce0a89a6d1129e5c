"""The real-time question: `issuing_authorization.request`, its 2.0 s, and how the answer is read (facts 2.2)."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from roony.simulator.delivery import encode, sign, signing_secrets
from roony.simulator.events import REQUEST, emit, event_view, listening
from roony.simulator.records import Record
from roony.simulator.views import authorization_view
from roony.simulator.world import World

BUDGET_SECONDS = 2.0
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z_]+)*")
_LONGEST_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Verdict:
    """Yes or no to one request, with Stripe's reason and, if yes, the amount in minor units.

    `metadata` is merged into the authorization's, None clears it; `challenge` asks for a fraud challenge by SMS.
    """

    approved: bool
    reason: str
    amount: int
    message: str | None = None
    metadata: dict[str, str] | None = field(default_factory=dict)
    challenge: bool = False


class BadAnswer(Exception):
    """The endpoint answered, but not in the way Stripe requires: `webhook_error`."""


@dataclass(frozen=True)
class _Question:
    """What waits for the deprecated calls: their verdict, and the moment it has become part of the authorization."""

    decision: asyncio.Future[Verdict]
    concluded: asyncio.Event


class Asking:
    """Asks the endpoint that decides, and turns whatever comes back into a verdict."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._open: dict[str, _Question] = {}
        self._left: set[asyncio.Task[Verdict]] = set()  # requests whose answer counts no more
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=100)
        self._client = httpx2.AsyncClient(
            timeout=BUDGET_SECONDS, limits=limits, trust_env=False, follow_redirects=False
        )

    async def close(self) -> None:
        """Close the connections kept open."""
        for task in self._left:
            task.cancel()
        await self._client.aclose()

    def wanted(self, account: str) -> bool:
        """Whether any endpoint is to be asked for this account."""
        return self._endpoint(account) is not None

    def _endpoint(self, account: str) -> Record | None:
        """Return the endpoint that names the request event explicitly; `*` does not mean it."""
        wanting = (one for one in listening(self.world, account) if REQUEST in one["body"]["enabled_events"])
        return next(wanting, None)

    async def decide(self, authorization: str, verdict: Verdict) -> bool:
        """Take an answer by the (deprecated) approve or decline call and wait until it is part of the authorization.

        It wins over the body of the webhook (facts 2.2); False if nothing is being asked.
        """
        question = self._open.get(authorization)
        if question is None or question.decision.done():
            return False
        question.decision.set_result(verdict)
        await question.concluded.wait()
        return True

    def conclude(self, authorization: str) -> None:
        """Say that the verdict is recorded: whoever gave it by a call gets an answer."""
        question = self._open.pop(authorization, None)
        if question is not None:
            question.concluded.set()

    async def ask(self, record: Record) -> Verdict:
        """Return the verdict, at the latest 2.0 s after the request was sent; `conclude` must follow."""
        endpoint = self._endpoint(record["account"])
        request = record["body"]["pending_request"]
        if endpoint is None:
            return Verdict(True, "card_active", request["amount"])
        decision: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._open[record["id"]] = _Question(decision, asyncio.Event())
        event = emit(self.world, record["account"], REQUEST, authorization_view(self.world, record))
        version = endpoint["body"]["api_version"]
        body = encode(event_view(event, connected=endpoint["connect"], waiting=1, version=version))
        started = time.monotonic()
        answering = asyncio.create_task(self._answer(body, endpoint, request))
        self._left.add(answering)
        answering.add_done_callback(self._forget)
        try:
            await asyncio.wait({answering, decision}, timeout=BUDGET_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # After a call the webhook may still finish its own answer; too late, it is hung up on.
            if not answering.done() and not decision.done():
                answering.cancel()
        verdict = decision.result() if decision.done() else self._read(record, answering)
        self._note(event, endpoint, verdict, time.monotonic() - started)
        return verdict

    def _forget(self, answering: asyncio.Task[Verdict]) -> None:
        self._left.discard(answering)
        if not answering.cancelled():
            answering.exception()  # looked at, so that no warning is printed about it

    def _note(self, event: Record, endpoint: Record, verdict: Verdict, seconds: float) -> None:
        """Tell those who look at the log what came of the request."""
        self.world.delivery_log.add(
            event=event["id"],
            kind=REQUEST,
            endpoint=endpoint["id"],
            url=endpoint["body"]["url"],
            outcome=f"{verdict.reason}: {verdict.message}" if verdict.message else verdict.reason,
            tries=1,
            seconds=seconds,
        )

    def _read(self, record: Record, answering: asyncio.Task[Verdict]) -> Verdict:
        """Return the verdict of an answer that came, or what stands for one that did not."""
        if not answering.done() or answering.cancelled():
            return self._fallen(record, "webhook_timeout", None)
        error = answering.exception()
        if error is None:
            return answering.result()
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return self._fallen(record, "webhook_timeout", None)
        if isinstance(error, BadAnswer | httpx2.HTTPError | httpx2.InvalidURL | OSError):
            return self._fallen(record, "webhook_error", str(error) or type(error).__name__)
        raise error

    async def _answer(self, body: bytes, endpoint: Record, request: dict[str, Any]) -> Verdict:
        """Send the request and read its answer, no more of it than an answer may be long."""
        now = self.world.clock.now()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (simulated; roony simulator)",
            "Stripe-Signature": sign(body, signing_secrets(endpoint, now), now),
        }
        content = bytearray()
        url = endpoint["body"]["url"]
        async with (
            asyncio.timeout(BUDGET_SECONDS),
            self._client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > _LONGEST_ANSWER:
                    raise BadAnswer("The answer is too long.")
        return read_answer(answer.status_code, answer.headers, bytes(content), request)

    def _fallen(self, record: Record, reason: str, message: str | None) -> Verdict:
        """Without a usable answer the account's timeout setting decides, for errors too (facts 2.2)."""
        approved = self.world.accounts[record["account"]]["timeout_action"] == "approve"
        amount = record["body"]["pending_request"]["amount"]
        return Verdict(approved, reason, amount if approved else 0, message)


def read_answer(status: int, headers: Mapping[str, str], content: bytes, request: dict[str, Any]) -> Verdict:
    """Read status, `Stripe-Version`, content type and body of an answer; raise BadAnswer for anything else."""
    if status != 200:
        raise BadAnswer(f"The endpoint answered with status {status}.")
    if not VERSION.fullmatch(headers.get("stripe-version", "")):
        raise BadAnswer("The answer has no valid Stripe-Version header.")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadAnswer("The answer is not application/json.")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise BadAnswer("The answer is not JSON.") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("approved"), bool):
        raise BadAnswer("The answer has no boolean `approved`.")
    metadata = _metadata(answer.get("metadata"))
    if not answer["approved"]:
        challenge = _challenge(answer.get("send_fraud_challenges"))
        return Verdict(False, "webhook_declined", 0, None, metadata, challenge)
    return Verdict(True, "webhook_approved", _amount(answer.get("amount"), request), None, metadata)


def _metadata(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > 50:
        raise BadAnswer("`metadata` is not a hash of at most 50 strings.")
    if not all(isinstance(entry, str) and len(entry) <= 500 and len(key) <= 40 for key, entry in value.items()):
        raise BadAnswer("`metadata` is not a hash of strings of the allowed length.")
    return value


def _challenge(value: Any) -> bool:
    """Return whether the answer asks for a challenge; SMS is the one way there is (facts 2.2)."""
    if value is None:
        return False
    if not isinstance(value, list) or not all(way == "sms" for way in value):
        raise BadAnswer("`send_fraud_challenges` is not a list of `sms`.")
    return bool(value)


def least_part(request: dict[str, Any]) -> int:
    """Return the smallest part of a request that may be approved: the cash paid out with it cannot be less."""
    cash: int = (request["amount_details"] or {}).get("cashback_amount") or 0
    return max(1, cash)


def _amount(value: Any, request: dict[str, Any]) -> int:
    """Return the approved amount: less than asked only where the merchant can take less (facts 2.6)."""
    asked: int = request["amount"]
    if value is None or not request["is_amount_controllable"]:
        return asked  # documented for fuel: an amount that cannot be controlled is ignored
    least = least_part(request)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= asked:
        raise BadAnswer(f"`amount` must be a whole number from {least} to {asked}.")
    return value
