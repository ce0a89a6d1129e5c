"""The two clients: `Roony` with plain calls and `AsyncRoony` with asyncio. What they say is in operations.py.

Each operation is described once; `_method` and `_async_method` make it a method of either client.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx2

from roony import __version__
from roony.client import operations
from roony.client.answers import Notice
from roony.client.exchange import Lost, Pause, Reply, Request, Talk
from roony.client.following import Following

DEFAULT_URL = "http://localhost:8000"
CONNECT_SECONDS = 5.0
# Many calls may wait for people at the same time.
MAX_CONNECTIONS = 1_000
# Roony closes a connection that nothing came on for 5 s. Used again at that moment, it would lose the call.
IDLE_SECONDS = 4.0

Given = ParamSpec("Given")
Result = TypeVar("Result")


def _method(
    talk: Callable[Given, Talk[Result]],
) -> Callable[Concatenate[Roony, Given], Result]:
    @functools.wraps(talk)
    def method(self: Roony, /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        return self.hold(talk(*args, **kwargs))

    return method


def _async_method(
    talk: Callable[Given, Talk[Result]],
) -> Callable[Concatenate[AsyncRoony, Given], Coroutine[Any, Any, Result]]:
    @functools.wraps(talk)
    async def method(self: AsyncRoony, /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        return await self.hold(talk(*args, **kwargs))

    return method


class Roony:
    """One agent's connection to one Roony, for plain calls; usable by several threads."""

    request_purchase = _method(operations.request_purchase)
    preview_purchase = _method(operations.preview_purchase)
    get_purchase = _method(operations.get_purchase)
    wait_until_ready = _method(operations.wait_until_ready)
    list_purchases = _method(operations.list_purchases)
    cancel_purchase = _method(operations.cancel_purchase)
    raise_purchase = _method(operations.raise_purchase)
    get_card = _method(operations.get_card)
    upload_receipt = _method(operations.upload_receipt)
    check_budget = _method(operations.check_budget)
    get_spending_controls = _method(operations.get_spending_controls)
    list_transactions = _method(operations.list_transactions)

    def __init__(
        self, url: str | None = None, key: str | None = None, *, transport: httpx2.BaseTransport | None = None
    ) -> None:
        """Nothing is sent yet. `url` and `key` are those of ROONY_URL and ROONY_AGENT_KEY if left out.

        Raises ValueError without a key, and for an address that is none.
        """
        self._http = httpx2.Client(transport=transport, **_settings(url, key))

    def hold(self, talk: Talk[Result]) -> Result:
        """Carries a talk out, to its result."""
        came: Reply | Lost | None = None
        while True:
            try:
                step = talk.send(came)
            except StopIteration as end:
                result: Result = end.value
                return result
            came = None
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                try:
                    came = _reply(self._http.request(**_arguments(step)))
                except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                    came = _lost(error, self._http.base_url)

    def stream(self, *, last_event_id: str | None = None) -> Iterator[Notice]:
        """What happens to the agent's purchases, as it happens, without an end; at least once and in order.

        It begins with now, or behind the notice with this `id`, and goes on through a restart of Roony. Raises
        RoonyError for a refusal, Unreachable when Roony stays away.
        """
        following = Following(last_event_id)
        while True:
            came: Reply | Lost | None = None
            try:
                with self._http.stream(**_arguments(following.request())) as response:
                    if response.is_success:
                        for event in httpx2.EventSource(response):
                            notice = following.take(event.id, event.data)
                            if notice is not None:
                                yield notice
                    else:
                        response.read()
                        came = _reply(response)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                came = _lost(error, self._http.base_url)
            time.sleep(following.pause(came))

    def close(self) -> None:
        """Gives the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncRoony:
    """One agent's connection to one Roony, for asyncio."""

    request_purchase = _async_method(operations.request_purchase)
    preview_purchase = _async_method(operations.preview_purchase)
    get_purchase = _async_method(operations.get_purchase)
    wait_until_ready = _async_method(operations.wait_until_ready)
    list_purchases = _async_method(operations.list_purchases)
    cancel_purchase = _async_method(operations.cancel_purchase)
    raise_purchase = _async_method(operations.raise_purchase)
    get_card = _async_method(operations.get_card)
    upload_receipt = _async_method(operations.upload_receipt)
    check_budget = _async_method(operations.check_budget)
    get_spending_controls = _async_method(operations.get_spending_controls)
    list_transactions = _async_method(operations.list_transactions)

    def __init__(
        self, url: str | None = None, key: str | None = None, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """As for `Roony`; a `transport` such as `httpx2.ASGITransport` takes the place of the network."""
        self._http = httpx2.AsyncClient(transport=transport, **_settings(url, key))

    async def hold(self, talk: Talk[Result]) -> Result:
        """Carries a talk out, to its result."""
        came: Reply | Lost | None = None
        while True:
            try:
                step = talk.send(came)
            except StopIteration as end:
                result: Result = end.value
                return result
            came = None
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            else:
                try:
                    came = _reply(await self._http.request(**_arguments(step)))
                except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                    came = _lost(error, self._http.base_url)

    async def stream(self, *, last_event_id: str | None = None) -> AsyncIterator[Notice]:
        """As `Roony.stream`, for `async for`."""
        following = Following(last_event_id)
        while True:
            came: Reply | Lost | None = None
            try:
                async with self._http.stream(**_arguments(following.request())) as response:
                    if response.is_success:
                        async for event in httpx2.EventSource(response):
                            notice = following.take(event.id, event.data)
                            if notice is not None:
                                yield notice
                    else:
                        await response.aread()
                        came = _reply(response)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                came = _lost(error, self._http.base_url)
            await asyncio.sleep(following.pause(came))

    async def aclose(self) -> None:
        """Gives the connections back."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _settings(url: str | None, key: str | None) -> dict[str, Any]:
    """What both kinds of HTTP client are made with."""
    key = key or os.environ.get("ROONY_AGENT_KEY")
    if not key:
        raise ValueError("No agent's key: give `key`, or set ROONY_AGENT_KEY.")
    if not (key.isascii() and key.isprintable()):
        raise ValueError("This is no agent's key: it has characters that no key has.")
    try:
        base_url = httpx2.URL(url or os.environ.get("ROONY_URL") or DEFAULT_URL)
    except httpx2.InvalidURL as wrong:
        raise ValueError(f"This is no address of a Roony: {wrong}") from None
    return {
        "base_url": base_url,
        # Without TLS there is nothing to verify, and loading certificates takes longer than a call.
        "verify": base_url.scheme != "http",
        "headers": {"Authorization": f"Bearer {key}", "User-Agent": f"roony/{__version__}"},
        # No proxy and no password of the machine's environment comes between an agent and its firewall.
        "trust_env": False,
        "limits": httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=IDLE_SECONDS),
    }


def _arguments(request: Request) -> dict[str, Any]:
    return {
        "method": request.method, "url": request.path, "params": dict(request.params),
        "headers": dict(request.headers), "content": request.content,
        "timeout": httpx2.Timeout(request.seconds, connect=CONNECT_SECONDS),
    }  # fmt: skip


def _reply(response: httpx2.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


def _lost(error: httpx2.HTTPError | httpx2.InvalidURL, url: httpx2.URL) -> Lost:
    """What became of a request without an answer."""
    message = f"Nothing answers at {url} ({type(error).__name__})."
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return Lost("unsent", message)
    if isinstance(error, httpx2.TimeoutException | httpx2.NetworkError | httpx2.RemoteProtocolError):
        return Lost("unanswered", message)
    return Lost("impossible", f"This cannot be sent to {url} ({type(error).__name__}).")
