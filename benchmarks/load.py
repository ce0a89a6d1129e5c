"""The load client: a process of its own that sends prepared requests over kept-alive connections, closed loop."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple, cast

import uvloop


class LoadResult(NamedTuple):
    """What one load run saw. Rates per second, latencies in milliseconds."""

    requests: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    wrong: int
    first_wrong: str


class _Connection(asyncio.Protocol):
    """Sends the next prepared request as soon as the answer to the last one is whole."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.buffer = b""
        self.began = 0.0
        self.ended = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        request = self.run.next()
        if request is None:
            self.ended = True
            self.transport.close()
            self.run.one_ended()
            return
        self.began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        low = head.lower()
        at = low.find(b"content-length:")
        length = int(low[at + 15 : low.find(b"\r\n", at) if low.find(b"\r\n", at) > 0 else None])
        if len(body) < length:
            return
        self.run.answered(time.perf_counter() - self.began, head, body)
        self.buffer = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended:
            self.run.lost(f"the server closed a connection: {exc!r}")


class _Run:
    def __init__(self, requests: list[bytes], expected: bytes) -> None:
        self.requests = iter(requests)
        self.expected = expected
        self.latencies: list[float] = []
        self.wrong = 0
        self.first_wrong = ""
        self.open = 0
        self.done = asyncio.get_running_loop().create_future()

    def next(self) -> bytes | None:
        return next(self.requests, None)

    def answered(self, seconds: float, head: bytes, body: bytes) -> None:
        self.latencies.append(seconds)
        if self.expected not in body or not head.startswith(b"HTTP/1.1 20"):
            self.wrong += 1
            self.first_wrong = self.first_wrong or (head[:40] + b" " + body[:200]).decode(errors="replace")

    def one_ended(self) -> None:
        self.open -= 1
        if self.open == 0 and not self.done.done():
            self.done.set_result(None)

    def lost(self, why: str) -> None:
        self.wrong += 1
        self.first_wrong = self.first_wrong or why
        self.one_ended()


async def _drive(port: int, requests: list[bytes], connections: int, expected: bytes) -> LoadResult:
    run = _Run(requests, expected)
    run.open = connections
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
    await run.done
    seconds = time.perf_counter() - began
    ordered = sorted(run.latencies)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)

    return LoadResult(
        len(ordered),
        round(seconds, 3),
        round(len(ordered) / seconds, 1),
        at(0.5),
        at(0.99),
        at(1.0),
        run.wrong,
        run.first_wrong,
    )


def main() -> None:
    """`python -m benchmarks.load PORT CONNECTIONS FILE EXPECTED`: FILE holds length-prefixed requests."""
    port, connections, path, expected = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4].encode()
    data = path.read_bytes()
    requests, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        requests.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    result = uvloop.run(_drive(port, requests, connections, expected))
    print(json.dumps(result._asdict()))


if __name__ == "__main__":
    main()
