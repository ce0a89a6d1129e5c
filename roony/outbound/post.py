"""Sending one request to an address an owner named: guarded, bounded in time and size, never led elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult

import httpx2

from roony.outbound.guard import Blocked, Guard

TOTAL_SECONDS = 15.0
CONNECT_SECONDS = 5.0
# Of an answer, of which only the status counts; what is longer is not read.
MAX_ANSWER = 64 * 1024


class Sent(NamedTuple):
    """How it went: the status of an answer, or None and a word why there was none."""

    status: int | None
    error: str | None

    @property
    def is_taken(self) -> bool:
        """Only 2xx says that the receiver has it; a redirect is no such word and is not followed."""
        return self.status is not None and 200 <= self.status < 300


class Poster:
    """Posts bodies; one for each process, used on its event loop. `verify` is the system's trust unless given."""

    def __init__(self, guard: Guard, verify: ssl.SSLContext | None = None) -> None:
        self.guard = guard
        self._verify = verify

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """1 judge the address · 2 resolve once · 3 send to an address found then, under the name's own TLS and Host."""
        try:
            parts = self.guard.check_url(url)
            addresses = await self.guard.addresses_of(parts)
        except Blocked as blocked:
            return Sent(None, f"{blocked.code}: {blocked}")
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._to_first(parts, addresses, headers, body)
        except TimeoutError:
            return Sent(None, f"no answer within {TOTAL_SECONDS:.0f} s")

    async def _to_first(
        self, parts: SplitResult, addresses: list[str], headers: Mapping[str, str], body: bytes
    ) -> Sent:
        """To the first address that takes a connection: once one has, nothing is sent to another."""
        if self._verify is None:
            self._verify = await asyncio.to_thread(ssl.create_default_context)
        client = httpx2.AsyncClient(
            verify=self._verify,
            trust_env=False,  # a proxy would resolve the name again
            follow_redirects=False,
            timeout=httpx2.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
            # A kept connection is found again by its address alone, whatever name it was made for.
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=0),
        )
        async with client:
            for address in addresses:
                try:
                    return await _send(client, parts, address, headers, body)
                except (httpx2.ConnectError, httpx2.ConnectTimeout) as failed:
                    sent = Sent(None, f"no connection: {_cause(failed)}")
                except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as failed:
                    return Sent(None, f"no answer: {type(failed).__name__}")
        return sent


async def _send(
    client: httpx2.AsyncClient, parts: SplitResult, address: str, headers: Mapping[str, str], body: bytes
) -> Sent:
    name = str(parts.hostname)
    host = f"[{name}]" if ":" in name else name
    there = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port is not None else ""
    target = parts._replace(netloc=f"{there}{port}", fragment="").geturl()
    request = client.build_request(
        "POST",
        target,
        headers={"user-agent": "Roony", **headers, "host": f"{host}{port}"},
        content=body,
        extensions={"sni_hostname": name},
    )
    answer = await client.send(request, stream=True)
    try:
        size = 0
        async for part in answer.aiter_raw():
            size += len(part)
            if size > MAX_ANSWER:
                break
    finally:
        await answer.aclose()
    return Sent(answer.status_code, None)


def _cause(failed: Exception) -> str:
    """Whether the certificate or the connection was refused, in a word."""
    inner: BaseException | None = failed
    while inner is not None:
        if isinstance(inner, ssl.SSLError):
            return f"TLS: {getattr(inner, 'verify_message', None) or inner.reason or 'handshake failed'}"
        inner = inner.__cause__ or inner.__context__
    return type(failed).__name__
