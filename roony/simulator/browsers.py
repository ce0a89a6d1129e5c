"""What reaches the simulator's own addresses through a browser: foreign websites are refused, bodies are JSON.

There is no key at these addresses, because only this machine can reach them. A website open in a browser on this
machine could reach them too, so a request that a page of another origin caused is refused.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from roony.simulator.refusals import Refusal, invalid

_OWN_SITES = (None, "same-origin", "none")


def refuse_foreign(request: Request) -> None:
    """Refuse with 403 what another website makes a browser send.

    The name in `Host` must be a loopback one, or a foreign name was made to point here. A request that changes
    something must come from this origin, or from a program that is no browser and says nothing of an origin.
    """
    if not _is_loopback(urlsplit(f"//{request.headers.get('host', '')}")):
        raise Refusal(403, "Only requests to localhost or a loopback address are answered here.")
    if request.method in ("GET", "HEAD"):
        return  # changes nothing, and the browser keeps the answer from other origins
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers['host']}"
    if request.headers.get("sec-fetch-site") not in _OWN_SITES or origin not in (None, own):
        raise Refusal(403, "A page of another website may not change anything here.")


def _is_loopback(address: Any) -> bool:
    try:
        name = address.hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def read_json(raw: bytes) -> Any:
    """Return what the body says, {} for none; refuse what is not JSON."""
    try:
        return json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON.") from None
