"""Receive webhooks and check their signatures, on this machine. Run it beside `roony serve --simulate`.

    roony webhook add http://127.0.0.1:9000/roony          # as the owner; prints whsec_…, this once
    ROONY_WEBHOOK_SECRET=whsec_… python examples/webhook_receiver.py 9000
    roony webhook test whe_…                               # as the owner, in another terminal

Each webhook is printed on a line: `id type subject`. What is not signed with the secret is answered with 400.
"""

from __future__ import annotations

import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

from standardwebhooks import Webhook, WebhookVerificationError

# Larger than any webhook of Roony's.
MAX_BODY = 64 * 1024
# Ids remembered: a webhook may come twice, and is then to be done once.
MAX_SEEN = 10_000


class Receiver(BaseHTTPRequestHandler):
    """One request. Answers at once: what takes long belongs behind the answer."""

    secret = ""
    seen: ClassVar[dict[str, None]] = {}

    def do_POST(self) -> None:
        """Verifies before it believes anything."""
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= MAX_BODY:
            self._answer(413)
            return
        body = self.rfile.read(length)
        try:
            told: dict[str, Any] = Webhook(self.secret).verify(body, dict(self.headers))
        except (WebhookVerificationError, json.JSONDecodeError) as error:
            print(f"refused: {error}", flush=True)
            self._answer(400)
            return
        id = self.headers["webhook-id"]
        if id not in self.seen:
            self.seen[id] = None
            if len(self.seen) > MAX_SEEN:
                del self.seen[next(iter(self.seen))]
            print(id, told["type"], told["data"]["id"], flush=True)
        self._answer(204)

    def log_message(self, *_: object) -> None:
        """Nothing beside what was received."""

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()


def main(port: int) -> None:
    """Serves until it is stopped."""
    Receiver.secret = os.environ.get("ROONY_WEBHOOK_SECRET", "")
    if not re.fullmatch("whsec_[A-Za-z0-9+/=]+", Receiver.secret):
        sys.exit("Set ROONY_WEBHOOK_SECRET to the whsec_… that `roony webhook add` printed.")
    with HTTPServer(("127.0.0.1", port), Receiver) as server:
        print(f"Listening at http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9000)
