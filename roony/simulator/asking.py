"""The real-time question: `issuing_authorization.request`, its 2.0 s, and how the answer is read (facts 2.2)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from roony.simulator.delivery import encode, sign
from roony.simulator.events import REQUEST, emit, event_view, listening
from roony.simulator.records import Record
from roony.simulator.views import authorization_view
from roony.simulator.world import World

BUDGET_SECONDS = 2.0
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z_]+)*")
_LONGEST_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Verdict:
    """Yes or no to one request, with Stripe's reason and, if yes, the amount in minor units."""

    approved: bool
    reason: str
    amount: int
    message: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class BadAnswer(Exception):
    """The endpoint answered, but not in the way Stripe requires: `webhook_error`."""


class Asking:
    """Asks the endpoint that decides, and turns whatever comes back into a verdict."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._decisions: dict[str, asyncio.Future[Verdict]] = {}
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=100)
        self._client = httpx2.AsyncClient(timeout=BUDGET_SECONDS, limits=limits, trust_env=False)

    async def close(self) -> None:
        """Close the connections kept open."""
        await self._client.aclose()

    def wanted(self, account: str) -> bool:
        """Whether any endpoint is to be asked for this account."""
        return self._endpoint(account) is not None

    def _endpoint(self, account: str) -> Record | None:
        """Return the endpoint that names the request event explicitly; `*` does not mean it."""
        wanting = (one for one in listening(self.world, account) if REQUEST in one["body"]["enabled_events"])
        return next(wanting, None)

    def decide(self, authorization: str, verdict: Verdict) -> bool:
        """Take an answer by the (deprecated) approve or decline call; it wins over the body of the webhook."""
        waiting = self._decisions.get(authorization)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(verdict)
        return True

    async def ask(self, record: Record) -> Verdict:
        """Return the verdict, at the latest 2.0 s after the request was sent."""
        endpoint = self._endpoint(record["account"])
        request = record["body"]["pending_request"]
        if endpoint is None:
            return Verdict(True, "card_active", request["amount"])
        decision: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._decisions[record["id"]] = decision
        event = emit(self.world, record["account"], REQUEST, authorization_view(self.world, record))
        body = encode(event_view(event, connected=endpoint["connect"], waiting=1))
        try:
            async with asyncio.timeout(BUDGET_SECONDS):
                answer = await self._post(body, endpoint)
                verdict = read_answer(answer.status_code, answer.headers, answer.content, request)
        except TimeoutError:
            verdict = self._fallen(record, "webhook_timeout", "No answer within 2 seconds.")
        except httpx2.TimeoutException:
            verdict = self._fallen(record, "webhook_timeout", "No answer within 2 seconds.")
        except (BadAnswer, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            verdict = self._fallen(record, "webhook_error", str(error) or type(error).__name__)
        finally:
            self._decisions.pop(record["id"], None)
        return decision.result() if decision.done() else verdict

    async def _post(self, body: bytes, endpoint: Record) -> httpx2.Response:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (simulated; roony simulator)",
            "Stripe-Signature": sign(body, endpoint["secrets"], self.world.clock.now()),
        }
        return await self._client.post(endpoint["body"]["url"], content=body, headers=headers)

    def _fallen(self, record: Record, reason: str, message: str) -> Verdict:
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
    if len(content) > _LONGEST_ANSWER:
        raise BadAnswer("The answer is too long.")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise BadAnswer("The answer is not JSON.") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("approved"), bool):
        raise BadAnswer("The answer has no boolean `approved`.")
    metadata = _metadata(answer.get("metadata"))
    if not answer["approved"]:
        return Verdict(False, "webhook_declined", 0, None, metadata)
    return Verdict(True, "webhook_approved", _amount(answer.get("amount"), request), None, metadata)


def _metadata(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > 50:
        raise BadAnswer("`metadata` is not a hash of at most 50 strings.")
    if not all(isinstance(entry, str) and len(entry) <= 500 and len(key) <= 40 for key, entry in value.items()):
        raise BadAnswer("`metadata` is not a hash of strings of the allowed length.")
    return value


def _amount(value: Any, request: dict[str, Any]) -> int:
    """Return the approved amount: less than asked only where the merchant can take less (facts 2.6)."""
    asked: int = request["amount"]
    if value is None or not request["is_amount_controllable"]:
        return asked  # documented for fuel: an amount that cannot be controlled is ignored
    least = max(1, (request["amount_details"] or {}).get("cashback_amount") or 0)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= asked:
        raise BadAnswer(f"`amount` must be a whole number from {least} to {asked}.")
    return value
