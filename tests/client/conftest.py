"""A served Roony with an agent, and both clients behind one face, so that each test holds for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal

from roony.client import AsyncRoony, Roony
from tests.support.serving import Company, ServedRoony, serve
from tests.support.simulator import SimulatorProcess

Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    """One for each file, with a simulated Stripe behind it."""
    with SimulatorProcess() as stripe, serve(tmp_path_factory.mktemp("client"), stripe.url) as served:
        yield served


@pytest.fixture(scope="module")
def company(roony: ServedRoony) -> Company:
    """A company with an active account, handing out card numbers in clear."""
    made = roony.company("Shop", delivery="raw")
    made.owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)
    return made


class Flaky(httpx2.BaseTransport):
    """Carries calls to the real server and loses the answers to the first ones."""

    def __init__(self, lost: int) -> None:
        self.inner, self.lost = httpx2.HTTPTransport(verify=False), lost

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.inner.handle_request(request)
        if self.lost:
            self.lost -= 1
            answer.close()
            raise httpx2.ReadError("lost on its way")
        return answer

    def close(self) -> None:
        self.inner.close()


class FlakyAsync(httpx2.AsyncBaseTransport):
    """The same for asyncio."""

    def __init__(self, lost: int) -> None:
        self.inner, self.lost = httpx2.AsyncHTTPTransport(verify=False), lost

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self.inner.handle_async_request(request)
        if self.lost:
            self.lost -= 1
            await answer.aclose()
            raise httpx2.ReadError("lost on its way")
        return answer

    async def aclose(self) -> None:
        await self.inner.aclose()


class Waited:
    """An `AsyncRoony` whose methods are waited for."""

    def __init__(self, portal: Any, client: AsyncRoony) -> None:
        self._portal, self._client = portal, client

    def stream(self, **more: Any) -> Iterator[Any]:
        """The notices of the stream, one after the other."""
        notices = self._client.stream(**more)
        try:
            while True:
                yield self._portal.call(notices.__anext__)
        finally:
            self._portal.call(notices.aclose)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *args, **more: self._portal.call(partial(method, *args, **more))


@pytest.fixture(params=["Roony", "AsyncRoony"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client of either kind; `lost` answers never reach it."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal()) if request.param == "AsyncRoony" else None

        def make(url: str, key: str, lost: int = 0) -> Any:
            if portal is None:
                return stack.enter_context(Roony(url, key, transport=Flaky(lost) if lost else None))
            client = AsyncRoony(url, key, transport=FlakyAsync(lost) if lost else None)
            stack.callback(lambda: portal.call(client.aclose))
            return Waited(portal, client)

        yield make
