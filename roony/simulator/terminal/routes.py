"""The addresses of the terminal: the page with its two files, and the JSON the page asks for and sends."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roony.simulator.browsers import read_json, refuse_foreign
from roony.simulator.refusals import Refusal, invalid
from roony.simulator.stripe_api.door import Door, read_body
from roony.simulator.terminal import showing
from roony.simulator.terminal.playing import Player

log = logging.getLogger(__name__)

_BASE = "/_simulator/terminal"
_FOLDER = Path(__file__).parent
_FILES = {
    "/_simulator/": ("page.html", "text/html"),
    f"{_BASE}/terminal.css": ("terminal.css", "text/css"),
    f"{_BASE}/terminal.js": ("terminal.js", "text/javascript"),
    f"{_BASE}/elements.js": ("elements.js", "text/javascript"),
}
# Own files and own addresses only: nothing that gets into the page can run or send anything elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Wish = dict[str, Any]
Names = Mapping[str, str]
Act = Callable[[Wish, Names], "Wish | Awaitable[Wish]"]


def routes(door: Door) -> list[Route]:
    """Return the routes of the page and of what it needs."""
    player, world = Player(door), door.world
    shown: list[tuple[str, Act]] = [
        ("setup", lambda _wish, _names: showing.setup()),
        ("overview", lambda wish, _names: showing.overview(world, door.network.asking, wish.get("account"))),
        ("events/{event}", lambda _wish, names: showing.event(world, names["event"])),
    ]
    done: list[tuple[str, Act]] = [
        ("find_card", lambda wish, _names: player.found(wish)),
        ("charge", lambda wish, _names: player.charge(wish)),
        ("unasked/{verb}", lambda wish, names: player.unasked(names["verb"], wish)),
        ("authorizations/{id}/{verb}", lambda wish, names: player.act(names["id"], names["verb"], wish)),
        ("transactions/{id}/refund", lambda wish, names: player.refund(names["id"], wish)),
        ("cards", lambda wish, _names: player.new_card(wish)),
    ]
    return [
        *(Route(path, _file(*file), methods=["GET"]) for path, file in _FILES.items()),
        *(Route(f"{_BASE}/{path}", _json(door, act), methods=["GET"]) for path, act in shown),
        *(Route(f"{_BASE}/{path}", _json(door, act), methods=["POST"]) for path, act in done),
    ]


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = (_FOLDER / name).read_bytes()

    async def endpoint(request: Request) -> Response:
        try:
            refuse_foreign(request)
        except Refusal as refusal:
            return _answer(refusal.body, refusal.status)
        return Response(content, 200, _HEADERS, media_type=kind)

    return endpoint


def _json(door: Door, act: Act) -> Callable[[Request], Awaitable[Response]]:
    """Wrap one act: JSON or a query in, JSON out, refusals as the API words them, then saved and delivered."""

    async def endpoint(request: Request) -> Response:
        try:
            refuse_foreign(request)
            result = act(await _wish(request), request.path_params)
            return _answer(await result if inspect.isawaitable(result) else result, 200)
        except Refusal as refusal:
            return _answer(refusal.body, refusal.status)
        except Exception:
            log.exception("the terminal failed on %s %s", request.method, request.url.path)
            failed = Refusal(500, "The simulator failed; its log says more.", kind="api_error")
            return _answer(failed.body, failed.status)
        finally:
            door.world.save()
            door.delivery.look()

    return endpoint


async def _wish(request: Request) -> Wish:
    if request.method != "POST":
        return dict(request.query_params)
    wish = read_json(await read_body(request))
    if not isinstance(wish, dict):
        raise invalid("Send a JSON object.")
    return wish


def _answer(body: Any, status: int) -> Response:
    return Response(json.dumps(body), status, _HEADERS, media_type="application/json")
