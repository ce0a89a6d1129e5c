"""What is answered to a webhook that nobody signed: as cheap as an answer can be, and told in the log once a second.

Whoever forges ten thousand a second must not fill the disk with lines or keep the door from those who signed.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from roony.core.authorization import STRIPE_VERSION

log = structlog.get_logger("roony.webhook")

# Seconds between two lines about forged webhooks.
TOLD_SECONDS = 1.0


class Forged:
    """Counts what was refused for its signature. Used from the event loop only."""

    def __init__(self) -> None:
        """None yet."""
        self.total = 0
        self._last = 0.0
        self._told = 0
        self._telling: asyncio.TimerHandle | None = None

    def count(self, request_id: str) -> None:
        """One more; a line with the number of those since the last one follows within a second."""
        self.total += 1
        self._last = time.monotonic()
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TOLD_SECONDS, self._tell, request_id)

    def seconds_since(self) -> int | None:
        """How long ago the last one came; None: there was none."""
        return int(time.monotonic() - self._last) if self.total else None

    def _tell(self, request_id: str) -> None:
        count, self._told, self._telling = self.total - self._told, self.total, None
        log.info("webhook.refused", status=400, code="bad_signature", count=count, first_request_id=request_id)


def refusal(request_id: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of the answer, in the shape of every error of Roony; the id is ours and needs no escaping."""
    id = request_id.encode()
    body = (
        b'{"error":{"code":"bad_signature","message":"The Stripe-Signature does not fit this body.","request_id":"'
        + id
        + b'"}}'
    )
    headers = [
        (b"content-type", b"application/json"), (b"stripe-version", STRIPE_VERSION.encode()),
        (b"content-length", str(len(body)).encode()), (b"request-id", id),
    ]  # fmt: skip
    return headers, body
