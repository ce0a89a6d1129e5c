"""The HTTP server under the receivers of tests, and the whole of what was sent to it."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Listening(ThreadingHTTPServer):
    """Each request in a thread of its own, which nobody waits for."""

    # With the usual five, a sixth caller at the same moment is heard only when it knocks again, a second later or more.
    request_queue_size = 128


def whole_body(handler: BaseHTTPRequestHandler) -> bytes | None:
    """What was sent; None when who sent it was killed midway: that was no request, and nobody waits for an answer."""
    length = int(handler.headers.get("content-length") or 0)
    body = handler.rfile.read(length)
    if len(body) == length:
        return body
    handler.close_connection = True
    return None
