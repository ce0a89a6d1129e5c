"""What agents and merchants write is only ever text: nothing of it runs or becomes a part of any page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from playwright.sync_api import Page

from tests.support.desk import Desk
from tests.support.filling import fill
from tests.support.walking import walk

# Short enough for every field; breaks out of text, of attributes in either quotes, and out of a script.
HOSTILE = """'"></title></script><img src=x onerror=ran=1><b class=evil onclick=ran=1>{{7*7}}"""
PIECES = ".evil, [onerror], [onclick], main img[src=x], script:not([src]), a[href^='javascript:' i], iframe, object"
# The fields of an agent's bodies that `fill` writes such a text into. A file is saved, never shown.
FREE = {"description", "merchant.name", "merchant.url", "merchant.network_id", "task_id", "metadata.*", "purpose"}
# What no page shows; the receipt is a file to save.
NOWHERE = {"receipt", "idempotency key"}


def _hostile(text: str) -> str:
    return f"{text[:12]}{HOSTILE}"


def test_nothing_that_others_wrote_runs_on_any_page(open_page: Callable[..., Page], desk: Desk) -> None:
    texts = fill(desk.roony, _hostile)
    page = open_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with desk.visitor() as browser:
        visit = walk(browser)
        page.context.add_cookies([desk.cookie_of(browser)])
    addresses = [address for route, address in visit.addresses.items() if visit.html[route]]
    # Each kind of purchase has parts of its own.
    bought = desk.roony.owner.get("/api/v1/admin/purchases", params={"limit": 20})["data"]
    seen = ""
    for address in [*addresses, *(f"/purchases/{one['id']}" for one in bought)]:
        page.goto(desk.url + address)
        assert page.locator(PIECES).count() == 0, address
        assert page.evaluate("typeof ran") == "undefined", address
        seen += (page.locator("body").text_content() or "") + page.title()
    assert dialogs == []
    # All the rest can be read somewhere as it was written.
    assert {name for name, text in texts.items() if text not in seen} == NOWHERE


def test_no_text_of_an_agents_is_forgotten(desk: Desk) -> None:
    """Whatever else an agent may send in a body takes no such text."""
    document = desk.roony.owner.get("/openapi.json")
    buyer = desk.roony.buyer()
    wish = buyer.wish(1_000, "Figma", recurring={"interval": "month", "payments": 2})
    card = f"/api/v1/purchase_intents/{buyer.ask(1_000, 'Figma')['id']}/card"
    samples = {"/api/v1/purchase_intents": wish, "/api/v1/purchase_intents/preview": wish, card: {}}
    found = set()
    for path, methods in document["paths"].items():
        for operation in methods.values() if not path.startswith("/api/v1/admin") else ():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            for field in _texts(document, body["schema"]) if body else ():
                found.add(field)
                if field not in FREE:
                    address = card if path.endswith("/card") else path
                    _refuses(buyer.api.call("POST", address, _with(samples[address], field, HOSTILE)), field)
    assert found >= FREE


def _refuses(answer: Any, field: str) -> None:
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field), answer.text


def _with(body: dict[str, Any], field: str, value: str) -> dict[str, Any]:
    """The body with something else in a field; `a.b` is b inside of a."""
    name, _, rest = field.partition(".")
    return {**body, name: _with(body.get(name) or {}, rest, value) if rest else value}


def _texts(document: Any, schema: Any, path: str = "") -> Iterator[str]:
    """The names of all texts in a body: `a.b` is b inside of a, `a.*` what a holds whatever it is called."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "string":
        yield path
    for part in schema.get("anyOf", ()):
        yield from _texts(document, part, path)
    inside = schema.get("properties", {})
    if isinstance(schema.get("additionalProperties"), dict):
        inside = {**inside, "*": schema["additionalProperties"]}
    for name, part in inside.items():
        yield from _texts(document, part, f"{path}.{name}" if path else name)
    if "items" in schema:
        yield from _texts(document, schema["items"], path)
