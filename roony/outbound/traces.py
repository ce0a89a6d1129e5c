"""Spans on their way to a collector: OTLP over HTTP with JSON, from a thread of its own and out of everybody's way.

Whoever has a span drops it into a queue with an end and goes on. Where the collector is slow or away, spans are lost
and counted; nothing waits for it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import structlog

from roony import __version__
from roony.core.trace import Span, Value

log = structlog.get_logger("roony.traces")

PATH = "/v1/traces"
# Spans that may wait; sent together; and how long the first of them waits for others, in seconds.
MAX_QUEUED = 4_096
MOST_TOGETHER = 256
PAUSE_SECONDS = 1.0
# Of one request, in seconds; tries of one batch, each after a longer pause.
TIMEOUT_SECONDS = 5.0
MAX_TRIES = 4
# What the last batches may take when the process ends, in seconds.
STOP_SECONDS = 3.0
# Answers after which the same may be sent again; any other refusal is final (OTLP, "Failures").
AGAIN = frozenset({429, 502, 503, 504})
# A span of kind "internal": of nobody's request.
_INTERNAL, _ERROR = 1, 2


class Traces:
    """One for each process. Safe to add to from any thread."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], service: str) -> None:
        """`endpoint` is the collector's base address; `headers` go with every request, `service` names Roony there."""
        self._url = endpoint.rstrip("/") + PATH
        self._headers = {"content-type": "application/json", "user-agent": f"Roony/{__version__}", **headers}
        self._resource = _attributes({
            "service.name": service, "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        })  # fmt: skip
        self._queue: deque[Span] = deque()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.sent = self.dropped = 0

    def start(self) -> None:
        """From here on spans are sent."""
        self._thread = threading.Thread(target=self._serve, name="traces", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many wait to be sent."""
        return len(self._queue)

    def add(self, span: Span) -> None:
        """Never blocks and never raises; where too many wait the span is lost."""
        if len(self._queue) >= MAX_QUEUED:
            self._drop(1)
        else:
            self._queue.append(span)

    def stop(self) -> None:
        """Sends what is left, for a moment."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _drop(self, number: int) -> None:
        with self._lock:
            self.dropped += number

    def _serve(self) -> None:
        with httpx2.Client(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
            stopping = False
            while not stopping:
                stopping = self._stopping.wait(PAUSE_SECONDS)
                until = time.monotonic() + STOP_SECONDS
                while self._queue and not (self._stopping.is_set() and time.monotonic() > until):
                    some = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_TOGETHER))]
                    self._send(client, some)

    def _send(self, client: httpx2.Client, spans: Sequence[Span]) -> None:
        """In at most MAX_TRIES tries; one where the process is ending."""
        why = ""
        for tried in range(MAX_TRIES):
            try:
                body = json.dumps(self._request(spans))
                status = client.post(self._url, content=body, headers=self._headers).status_code
                if 200 <= status < 300:
                    self.sent += len(spans)
                    return
                why = f"answered {status}"
                if status not in AGAIN:
                    break
            except Exception as error:  # Whatever is wrong with a span, an address or an answer costs these, no more.
                why = type(error).__name__
            if tried == MAX_TRIES - 1 or self._stopping.wait(2**tried):
                break
        self._drop(len(spans))
        log.warning("traces.lost", spans=len(spans), error=why)

    def _request(self, spans: Sequence[Span]) -> dict[str, Any]:
        scope = {"name": "roony", "version": __version__}
        scoped = {"scope": scope, "spans": [_written(span) for span in spans]}
        return {"resourceSpans": [{"resource": {"attributes": self._resource}, "scopeSpans": [scoped]}]}


def _written(span: Span) -> dict[str, Any]:
    """A span as OTLP has it in JSON: ids in hexadecimal, 64-bit numbers as text."""
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        **({"parentSpanId": span.parent_id} if span.parent_id else {}),
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(span.began),
        "endTimeUnixNano": str(span.ended),
        "attributes": _attributes(span.about),
        "status": {"code": _ERROR, "message": span.failed} if span.failed else {},
    }


def _attributes(about: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in about.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
