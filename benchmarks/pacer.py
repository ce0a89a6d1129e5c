"""Sends bad webhooks from a process of its own: at a fixed rate, or as fast as they are answered.

Each is one of the prepared requests with one byte of its body changed, pipelined over connections that stay open. A
line of JSON on stdout each second says how many were sent and answered; the last one also how each was answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop

TICK_SECONDS = 0.01
# Requests of one connection that are not answered yet; above it that connection waits for the server.
MAX_OPEN = 256
# Without a rate: so many of one connection are under way.
WINDOW = 16
PATIENCE_SECONDS = 30.0
_BODY_BEGINS = b"\r\n\r\n"
_STEP, _MODULUS = 48_271, 2**31 - 1


def spoiled(requests: list[bytes]) -> Iterator[bytes]:
    """The requests in turn, for ever, each with another byte of its body changed; the same ones in every run."""
    parts = [request.partition(_BODY_BEGINS) for request in requests]
    number = 1
    while True:
        for head, separator, body in parts:
            if not body:
                yield head + separator
                continue
            number = number * _STEP % _MODULUS
            at = number % len(body)
            yield b"".join((head, separator, body[:at], bytes((body[at] ^ (1 + number % 255),)), body[at + 1 :]))


class _Connection(asyncio.Protocol):
    """Writes requests, counts the status lines that come back."""

    def __init__(self, run: Pacer) -> None:
        self.run = run
        self.open = 0
        self.tail = b""
        self.ended = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=16 * 1024 * 1024)

    def send(self, count: int) -> None:
        count = min(count, MAX_OPEN - self.open)
        if count > 0:
            self.open += count
            self.run.sent += count
            self.transport.write(b"".join(next(self.run.requests) for _ in range(count)))

    def data_received(self, data: bytes) -> None:
        data = self.tail + data
        *whole, self.tail = data.split(b"HTTP/1.1 ")
        # An answer is counted when the next one begins, or when all of this one is there.
        if self.tail.endswith(b"}") and self.tail.count(b"\r\n\r\n") == 1:
            whole.append(self.tail)
            self.tail = b""
        for answer in whole:
            if answer:
                self.run.statuses[answer[:3].decode()] += 1
                self.open -= 1
        self.run.answered(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.ended.set()
        if not self.run.done.is_set():
            self.run.lost += 1
            self.run.answered(self)


class Pacer:
    """One run: `rate` requests a second for `seconds`, or, without a rate, `total` of them."""

    def __init__(self, requests: list[bytes], rate: float, total: int) -> None:
        self.requests = spoiled(requests)
        self.rate, self.total = rate, total
        self.sent = self.lost = 0
        # From the first request to the last one.
        self.sending_seconds = 0.0
        self.statuses: Counter[str] = Counter()
        self.done = asyncio.Event()

    def answered(self, connection: _Connection) -> None:
        """Some answers came: more are sent where no rate says when."""
        if not self.rate and not connection.transport.is_closing():
            connection.send(min(WINDOW - connection.open, self.total - self.sent))
        if self.lost or (self.sent >= self.total and sum(self.statuses.values()) >= self.sent):
            self.done.set()

    async def drive(self, port: int, connections: int) -> None:
        """Sends all of it, and waits for the answers."""
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port) for _ in range(connections)]
        them = deque(cast("_Connection", protocol) for _, protocol in made)
        telling = asyncio.create_task(self._tell())
        began = time.perf_counter()
        if self.rate:
            await self._pace(them)
            self.sending_seconds = time.perf_counter() - began
        else:
            for one in them:
                one.send(WINDOW)
        patience = PATIENCE_SECONDS if self.rate else None
        try:
            await asyncio.wait_for(self.done.wait(), patience)
        finally:
            telling.cancel()
            self.done.set()
            for one in them:
                one.transport.abort()
            await asyncio.gather(*(one.ended.wait() for one in them))
        self.sending_seconds = self.sending_seconds or time.perf_counter() - began

    async def _pace(self, them: deque[_Connection]) -> None:
        began = time.perf_counter()
        while self.sent < self.total and not self.lost:
            due = min(self.total, int((time.perf_counter() - began) * self.rate)) - self.sent
            share = -(-due // len(them))
            for one in them:
                one.send(min(share, due))
                due -= share
                if due <= 0:
                    break
            them.rotate(-1)
            await asyncio.sleep(TICK_SECONDS)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(1)
            print(json.dumps({"sent": self.sent, "answered": sum(self.statuses.values())}), flush=True)


def read_requests(path: Path) -> list[bytes]:
    """Length-prefixed requests, as `benchmarks.events.write_requests` writes them."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def main() -> None:
    """`python -m benchmarks.pacer PORT CONNECTIONS FILE RATE TOTAL`: a rate of 0 is as fast as answers come."""
    port, connections, path, rate, total = sys.argv[1:6]

    async def run() -> Pacer:
        pacer = Pacer(read_requests(Path(path)), float(rate), int(total))
        await pacer.drive(int(port), int(connections))
        return pacer

    pacer = uvloop.run(run())
    seconds = pacer.sending_seconds
    print(json.dumps({
        "sent": pacer.sent, "answered": sum(pacer.statuses.values()), "statuses": dict(pacer.statuses),
        "lost": pacer.lost, "seconds": round(seconds, 2), "per_second": round(pacer.sent / seconds, 1),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
