"""A collector of traces on this machine: OTLP over HTTP with JSON, real requests, what came kept as it came."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from tests.support.listening import Listening, whole_body


class Collector:
    """`answers` are given one after the other, then 200. While `gate` is not set, requests wait."""

    def __init__(self, *answers: int) -> None:
        self.bodies: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.gate = threading.Event()
        self.gate.set()
        left = list(answers)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = whole_body(self)
                if body is None:
                    return
                outer.gate.wait(60)
                status = left.pop(0) if left else 200
                if self.path != "/v1/traces" or self.headers["content-type"] != "application/json":
                    status = 404
                if status == 200:
                    outer.bodies.append(body.decode())
                    outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = Listening(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join(60)
        self._server.server_close()

    def spans(self) -> list[dict[str, Any]]:
        """All that came so far, each with its attributes as a dict under `about`."""
        found = []
        for body in list(self.bodies):
            for resource in json.loads(body)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    found += [{**span, "about": _plain(span["attributes"])} for span in scope["spans"]]
        return found

    def resources(self) -> list[dict[str, Any]]:
        """Who sent."""
        return [
            _plain(each["resource"]["attributes"]) for body in self.bodies for each in json.loads(body)["resourceSpans"]
        ]


def _plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in attributes}
