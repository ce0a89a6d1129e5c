"""Requests read strictly: the key first, then the path, then a body that is small, JSON, and says everything once."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.dependencies.utils import get_missing_field_error
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.utils import create_model_field
from pydantic_core import PydanticUndefined as Undefined
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from roony.core.errors import BrokenCaller
from roony.web.auth import INSIDE, authenticate
from roony.web.errors import Refused, answer_to, refuse
from roony.web.permissions import permission_of
from roony.web.references import check_references

MAX_BODY = 256 * 1024
# A body that trickles in slower than this is not waited for.
BODY_SECONDS = 15.0
MAX_DEPTH = 32
# More digits than any number here may have: such a number is refused by its field, not by a conversion.
MAX_DIGITS = 30
# An answer of anything. Without one FastAPI copies each value of an answer before it is written, which took two thirds
# of the time of a page of purchases.
_AS_IT_IS = create_model_field("answer", Any, mode="serialization")
# Ids of ours and of Stripe's.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class StrictRequest(Request):
    """A request whose body is read with a limit and parsed without mercy, before FastAPI looks at it."""

    async def prepare(self) -> None:
        """Reads and parses the body, which `body` and `json` then give.

        Raises Refused: 413 without reading on, 415 for what is not JSON, 400 when it is broken, 422 for a name that
        comes twice and for characters that no text may have.
        """
        self._body = await read_body(self, MAX_BODY)
        if self._body:
            check_content_type(self.headers.getlist("content-type"))
            self._json = parse(self._body)


async def read_body(request: Request, most: int) -> bytes:
    """The body. Raises Refused: 413, without reading on, above `most` bytes, 400 when it does not arrive in time."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
    except (TimeoutError, ClientDisconnect):
        raise refuse(400, "The body did not arrive.", connection="close") from None
    return b"".join(parts)


def parse(body: bytes) -> Any:
    """JSON as `decode` reads it, with nothing in its texts that a text may not have."""
    value = decode(body)
    if not _is_plain(body):
        _check_texts(value, (), 0)
    return value


def _is_plain(body: bytes) -> bool:
    """True for JSON that can hold nothing `_check_texts` refuses: no escape, no letter beyond ASCII, and not deep.

    Any other is looked at text by text. A control character that is no escape is no JSON, but for 0x7f.
    """
    if b"\\" in body or b"\x7f" in body or not body.isascii():
        return False
    return body.count(b"{") + body.count(b"[") <= MAX_DEPTH


def decode(body: bytes) -> Any:
    """JSON as the standard has it: no name twice, no NaN; numbers too long to be meant become a float and so fail."""
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise refuse(400, "The body is not UTF-8.", "malformed_json") from None
    except json.JSONDecodeError as error:
        raise refuse(400, f"The body is not JSON: {error.msg} at character {error.pos}.", "malformed_json") from None
    except RecursionError:
        raise refuse(400, "The body is nested too deeply.", "malformed_json") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        _refuse_twice(pairs)
    return result


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise refuse(422, "This name comes twice in one object.", field=name)
        seen.add(name)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float("inf")


# Made once: `json.loads` makes one for every text that it is to read in another way than its own.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_whole)


def _check_texts(value: Any, path: tuple[str, ...], depth: int) -> None:
    """No control characters but line breaks, nothing that cannot be written as UTF-8, in any text or name."""
    if depth > MAX_DEPTH:
        raise refuse(400, "The body is nested too deeply.", "malformed_json")
    if isinstance(value, str) and not is_clean(value, line_breaks=True):
        raise refuse(422, "It has characters that a text may not have.", field=".".join(path) or None)
    if isinstance(value, dict):
        for name, item in value.items():
            if not is_clean(name):
                raise refuse(422, "A name has characters that a text may not have.", field=".".join(path) or None)
            _check_texts(item, (*path, name), depth + 1)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _check_texts(item, (*path, str(place)), depth + 1)


# Control characters, halves of a pair, line separators, and marks that turn the direction of what follows. Other marks
# without a shape come with texts that people copy: they are taken, mean nothing, and are spelled out on every page.
_UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def is_clean(text: str, line_breaks: bool = False) -> bool:
    """True when every character may stand in a text of ours; `\\n` only with `line_breaks`."""
    return _UNCLEAN.search(text.replace("\n", "") if line_breaks else text) is None


def fields_of(raw: bytes, longest: Mapping[str, int], texts: frozenset[str] = frozenset()) -> dict[str, str] | None:
    """The fields of a query or a form, by name, with their `longest` values in characters; others are left out.

    None for one that cannot be read, is empty, too long or not printable ASCII, or that comes twice. `texts` are those
    that people write: they may be empty, and in any language, on one line.
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        return None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in longest:
            continue
        if name in found or len(value) > longest[name]:
            return None
        if not (is_clean(value) if name in texts else value and value.isascii() and value.isprintable()):
            return None
        found[name] = value
    return found


def check_content_type(given: list[str]) -> None:
    """Raises Refused (415) for what is not JSON."""
    kind, _, parameters = (given[0] if len(given) == 1 else "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise refuse(415, "Send JSON, with `Content-Type: application/json`.")


def _too_large(most: int) -> Refused:
    # Closing says that the rest will not be read.
    return refuse(413, f"The body is larger than {most} bytes.", connection="close")


def _check_length(request: Request, most: int) -> None:
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or len(length) > 15:
        raise refuse(400, "The Content-Length makes no sense.", connection="close")
    if int(length) > most:
        raise _too_large(most)


def _check_query(request: Request) -> None:
    """As in a body no name comes twice: which of the values was meant, nobody could say."""
    names = Counter(name for name, _ in request.query_params.multi_items())
    for name, times in names.items():
        if times > 1:
            raise refuse(422, "This parameter comes twice.", field=name)


class KeyedRoute(APIRoute):
    """A route behind a key: nothing of a request is parsed before its caller is known."""

    kind = "admin"
    # What its body may have, in bytes.
    longest = MAX_BODY
    # Whether a key that was looked up before will do: where the command looks at it in its commit.
    remembers = False

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, responses: dict[int | str, dict[str, Any]], **more: Any
    ) -> None:
        """As FastAPI makes it, but that the models of answers are kept for whoever wants the document.

        They are many, take a third of a start to be built, and are of no use to an answer.
        """
        plain = {status: {name: one[name] for name in one if name != "model"} for status, one in responses.items()}
        super().__init__(path, endpoint, responses=plain, **more)
        self.responses = responses

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """1 who calls, and may they · 2 the length · 3 path and query · 4 body and schema, as FastAPI does."""
        handle = self.own_handler()

        async def strict(request: Request) -> Response:
            if not isinstance(request, StrictRequest):
                request = StrictRequest(request.scope, request.receive)
            permission = permission_of(request.method, self.path)
            # Kept for answers that go on: their key is looked at again.
            request.state.check = lambda: authenticate(request, self.kind, permission)
            caller = request.state.caller = await authenticate(request, self.kind, permission, self.remembers)
            # Looked at again it is the same call: a key that calls too often elsewhere neither loses its answer nor
            # keeps the look from seeing that its holder may no longer have one.
            request.scope[INSIDE] = True
            try:
                await self._prepare(request)
                return await handle(request)
            except (Refused, RequestValidationError):
                if caller.remembered:
                    # Before it is told what is wrong with its request.
                    await request.state.check()
                raise

        return strict

    def own_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request that is let in. What its endpoint gives is written as it is."""
        described, self.response_field = self.response_field, _AS_IT_IS
        try:
            return super().get_route_handler()
        finally:
            self.response_field = described

    async def _prepare(self, request: StrictRequest) -> None:
        """Length, path, query, what else they name, and the body."""
        _check_length(request, self.longest)
        for id in request.path_params.values():
            if not _ID.fullmatch(str(id)):
                raise refuse(404, "There is nothing with this id.")
        if self.dependant.query_params:
            _check_query(request)
        if self.kind == "admin":
            await check_references(request, request.app.state.context, request.state.caller.organization_id)
        if self.body_field is not None:
            # Here, not inside FastAPI: it would hide what the reading raises behind a 400 of its own.
            await request.prepare()


class AgentRoute(KeyedRoute):
    """A route for agents' keys."""

    kind = "agent"


class AskRoute(AgentRoute):
    """A route for asks: its endpoint takes the request and the body alone.

    Its command carries the caller's `agent_authority`. The schema and the document are FastAPI's; its layers around a
    route and its resolving of dependencies took a seventh of the event loop's time, and an ask needs none of them.
    """

    remembers = True

    def __init__(self, *given: Any, **more: Any) -> None:
        """As every route behind a key, but that requests come to `answer` at once, and FastAPI's router leads there."""
        super().__init__(*given, **more)
        self._handle = self.get_route_handler()
        self.app = self.answer

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, as FastAPI's and Starlette's layers around a route do. Raises what nobody expected."""
        request = StrictRequest(scope, receive)
        try:
            response = await self._handle(request)
        except Exception as error:
            response = await answer_to(request, error)
        await response(scope, receive, send)

    def own_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Reads the body as FastAPI does, then calls the endpoint. Raises RequestValidationError."""
        if self.body_field is None:
            raise BrokenCaller("an ask has a body")
        [field], embedded = self.dependant.body_params, self._embed_body_fields
        if embedded or not field.field_info.is_required():
            raise BrokenCaller("an ask has one body, which is required")

        async def handle(request: Request) -> Response:
            body = await request.json() if await request.body() else Undefined
            if body is Undefined:
                raise RequestValidationError([get_missing_field_error(("body",))], body=body)
            value, errors = field.validate(body, {}, loc=("body",))
            if errors:
                raise RequestValidationError(errors, body=body)
            response: Response = await self.endpoint(request, value)
            return response

        return handle
