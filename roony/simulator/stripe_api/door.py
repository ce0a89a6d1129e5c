"""The door of the API: what happens to every request under /v1, from bytes to answer."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from roony.simulator import events
from roony.simulator.card_network import CardNetwork
from roony.simulator.delivery import Delivery
from roony.simulator.faults import Fault, Faults
from roony.simulator.identifiers import new_id
from roony.simulator.refusals import Refusal, from_execution, invalid, unrecognized
from roony.simulator.stripe_api.expanding import check_expand, expand
from roony.simulator.stripe_api.forms import read_form
from roony.simulator.stripe_api.idempotency import Asked, Idempotency
from roony.simulator.stripe_api.keys import account_for, given_key, known_key, version_of
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import read_fields
from roony.simulator.world import World

log = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024  # bytes
_FORM = "application/x-www-form-urlencoded"


class Door:
    """Answers API requests one by one; the world changes only inside `_run`, and no task switch splits a change."""

    def __init__(self, world: World, network: CardNetwork, delivery: Delivery, faults: Faults) -> None:
        self.world = world
        self.network = network
        self.delivery = delivery
        self.faults = faults
        self.idempotency = Idempotency(world)

    async def answer(self, request: Request, operation: Operation | None) -> Response:
        """Serve one request; whatever goes wrong is told in Stripe's error shape."""
        headers = {"Request-Id": new_id("req", 14), "Cache-Control": "no-cache, no-store"}
        fault = self.faults.pick(request.method, request.url.path)
        try:
            status, body = await self._serve(request, operation, headers, fault)
        except Refusal as refusal:
            headers |= refusal.headers
            status, body = refusal.status, _json(refusal.body)
        except Exception:
            log.exception("the simulator failed on %s %s", request.method, request.url.path)
            failed = Refusal(500, "The simulator failed; its log says more.", kind="api_error")
            status, body = failed.status, _json(failed.body)
        finally:
            self.world.save()
            self.delivery.look()
        if fault is not None and fault.drops:
            drop_connection(request)
        return Response(body, status, headers, media_type="application/json")

    async def _serve(
        self, request: Request, operation: Operation | None, headers: dict[str, str], fault: Fault | None
    ) -> tuple[int, bytes]:
        """Take the steps up to the execution.

        1. Read the body, bounded; faults that come before everything.
        2. Key, version, account.
        3. Idempotency: a kept answer is sent again; a key in use or used otherwise is refused.
        4. Parameters are read and refused; then the operation runs.
        """
        raw = await read_body(request)
        if fault is not None and fault.comes_first:
            await asyncio.sleep(fault.seconds)
            raise fault.refusal()
        key = known_key(self.world, given_key(request))
        headers["Stripe-Version"] = version_of(request)
        account = account_for(self.world, key, request)
        if "stripe-account" in request.headers:
            headers["Stripe-Account"] = account
        idempotency_key = request.headers.get("idempotency-key") if request.method == "POST" else None
        caller = Caller(account, key, raw, idempotency_key or None)
        try:
            if operation is None:
                raise unrecognized(request.method, request.url.path)
            if caller.idempotency_key is None:
                return await self._run(request, operation, headers, fault, caller)
            return await self._once(request, operation, headers, fault, caller)
        except Refusal as refusal:
            refusal.name_log(account, headers["Request-Id"])
            raise

    async def _once(
        self, request: Request, operation: Operation, headers: dict[str, str], fault: Fault | None, caller: Caller
    ) -> tuple[int, bytes]:
        """Run under an idempotency key: once, and then answer again what was answered first (facts 7.1)."""
        account, idempotency_key = caller.account, str(caller.idempotency_key)
        headers["Idempotency-Key"] = idempotency_key
        asked = Asked.by(request.url.path, request.url.query.encode(), caller.raw)
        kept = self.idempotency.begin(account, idempotency_key, asked)
        if kept is not None:
            status, body, original = kept
            headers |= {"Idempotent-Replayed": "true", "Original-Request": original}
            return status, body
        headers["Original-Request"] = headers["Request-Id"]
        try:
            status, body = await self._kept_errors(request, operation, headers, fault, caller)
            self.idempotency.finish(account, idempotency_key, asked, status, body, headers["Request-Id"])
            return status, body
        finally:
            self.idempotency.let_go(account, idempotency_key)

    async def _kept_errors(
        self, request: Request, operation: Operation, headers: dict[str, str], fault: Fault | None, caller: Caller
    ) -> tuple[int, bytes]:
        """Run, turning a refusal that the idempotency layer keeps into an ordinary result."""
        try:
            return await self._run(request, operation, headers, fault, caller)
        except Refusal as refusal:
            if not refusal.stored:
                raise
            refusal.name_log(caller.account, headers["Request-Id"])
            headers |= refusal.headers
            return refusal.status, _json(refusal.body)

    async def _run(
        self, request: Request, operation: Operation, headers: dict[str, str], fault: Fault | None, caller: Caller
    ) -> tuple[int, bytes]:
        params = read_fields(_tree(request, caller.raw), operation.accepted())
        check_expand(operation, params)
        version = request.headers.get("stripe-version")
        call = Call(self.world, self.network, caller.account, caller.key, request.path_params, params, version)
        if fault is not None:
            await asyncio.sleep(fault.seconds)  # here, so that a slow request holds its idempotency key
            if fault.comes_instead:
                raise fault.refusal()
        token = events.cause.set({"id": headers["Request-Id"], "idempotency_key": caller.idempotency_key})
        try:
            result = operation.handle(call)
            if inspect.isawaitable(result):
                result = await result
            body = _json(expand(call, result))
        except Refusal as refusal:
            raise from_execution(refusal, params) from None
        finally:
            events.cause.reset(token)
        if fault is not None and fault.kind == "error_after":
            raise fault.refusal()
        return 200, body


class Caller:
    """Who sent which bytes: kept together on the way to the operation."""

    def __init__(self, account: str, key: dict[str, Any], raw: bytes, idempotency_key: str | None) -> None:
        self.account = account
        self.key = key
        self.raw = raw
        self.idempotency_key = idempotency_key


async def read_body(request: Request) -> bytes:
    """Return the body, or refuse what is over 1 MiB before it is all read."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise Refusal(413, f"The request body is over {BODY_LIMIT} bytes.", headers={"Connection": "close"})
        parts.append(part)
    return b"".join(parts)


def drop_connection(request: Request) -> None:
    """Cut the connection without an answer, as a lost network would."""
    abort = request.scope.get("simulator.abort")
    if abort is not None:
        abort()


def _tree(request: Request, raw: bytes) -> dict[str, Any]:
    query = read_form(request.url.query.encode())
    if request.method != "POST":
        return {**query, **read_form(raw)} if raw else query
    kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if raw and kind != _FORM:
        raise invalid(
            f"Invalid request (check that your POST content type is {_FORM}). If you have any questions, we can help "
            "at https://support.stripe.com/."
        )
    return {**query, **read_form(raw)}


def _json(view: Any) -> bytes:
    return json.dumps(view, ensure_ascii=False).encode("utf-8", "surrogatepass")
