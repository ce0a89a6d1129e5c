"""Good authorization requests over one connection, one after another: how long each of them took."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.events import Stripe
from benchmarks.seed import Numbered

ANSWER_SECONDS = 10.0


def one_after_another(port: int, stripe: Stripe, purchases: Iterator[Numbered], until: float) -> dict[str, Any]:
    """Each for a card of its own, until `until` of `time.monotonic()`; what they took in milliseconds.

    Raises SystemExit when the server hangs up.
    """
    took: list[float] = []
    approved = 0
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until and (purchase := next(purchases, None)) is not None:
            (request,) = stripe.requests([purchase])
            began = time.perf_counter()
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b"}}"):
                part = connection.recv(65_536)
                if not part:
                    raise SystemExit(f"The server hung up on a good request after {answer[:200]!r}")
                answer += part
            took.append((time.perf_counter() - began) * 1_000)
            approved += b'"approved":true' in answer
    took.sort()
    at = lambda share: round(took[min(len(took) - 1, int(len(took) * share))], 1) if took else 0.0  # noqa: E731
    return {
        "requests": len(took), "approved": approved, "p50_ms": at(0.5), "p99_ms": at(0.99), "worst_ms": at(1.0),
    }  # fmt: skip
