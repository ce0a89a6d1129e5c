"""One HTTP request as it is, without the SDK's help, for what the SDK never sends."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.support.simulator import SimulatorProcess

Headers = dict[str, str]


def call(
    simulator: SimulatorProcess, method: str, path: str, body: str | None = None, headers: Headers | None = None
) -> tuple[int, Headers, Any]:
    """Send a request as it is, without the SDK's help."""
    data = body.encode() if body is not None else None
    request = urllib.request.Request(f"{simulator.url}{path}", data, method=method)  # noqa: S310 - our own address
    for name, value in {"Authorization": f"Bearer {simulator.secret_key}", **(headers or {})}.items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            return answer.status, _lower(answer.headers), json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _lower(error.headers), json.loads(error.read())


def _lower(headers: Any) -> Headers:
    return {name.lower(): value for name, value in headers.items()}
