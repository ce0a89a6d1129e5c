"""Every page of the dashboard in a filled organization: it opens, can be read by everybody, and fits a phone.

The pages come from the routes, so a new one is tested as soon as it is there. `make screenshots` keeps pictures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any, NamedTuple

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from roony.core.role import OWNER_ONLY, may
from roony.web.dashboard.view import MENU
from roony.web.permissions import PERMISSIONS
from roony.web.session import COOKIE, csrf_token
from tests.browser.conftest import Windows
from tests.support.authenticator import Authenticator
from tests.support.desk import Desk
from tests.support.filling import fill
from tests.support.looking import PHONE, WIDE, looks_right
from tests.support.walking import Visit, page_routes, walk

PAGES = [route.path for route in page_routes()]
_CALL = re.compile(r'data-call="(\w+) ([^"]+)"')
_ROWS_OF_FILTERS = (
    "new Set([...document.querySelectorAll('.filters > *')].map(one => one.getBoundingClientRect().bottom | 0)).size"
)


class Filled(NamedTuple):
    """The demo organization as its owner finds it."""

    visit: Visit
    session: Any


@pytest.fixture(scope="module")
def filled(desk: Desk) -> Filled:
    """One walk of the owner's over an organization in which everything has happened."""
    fill(desk.roony)
    with desk.visitor() as browser:
        _add_passkey(browser, desk.url)
        return Filled(walk(browser), desk.cookie_of(browser))


def _add_passkey(browser: httpx2.Client, origin: str) -> None:
    path, headers = "/api/v1/admin/me/passkeys", {"X-Roony-CSRF": csrf_token(browser.cookies[COOKIE])}
    asked = browser.post(f"{path}/challenge", json={}, headers=headers).json()
    credential = Authenticator(origin).make(asked["public_key"])
    body = {"ticket": asked["ticket"], "name": "Work laptop", "credential": credential}
    assert browser.post(path, json=body, headers=headers).status_code == 201


@pytest.fixture(scope="module")
def windows(browser: Browser) -> Iterator[Windows]:
    """One window for all pages, as whoever walks through them has: a new one costs as much as all that is tested."""
    with Windows(browser) as made:
        made.open(reduced_motion="reduce")
        yield made


@pytest.fixture
def window(windows: Windows) -> Iterator[Page]:
    """That window, empty and wide; what the page of this test complains of fails."""
    [page] = windows.pages
    windows.complaints.clear()
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    yield page
    page.goto("about:blank")
    assert windows.complaints == []


def _enter(page: Page, cookie: Any, address: str) -> None:
    page.context.add_cookies([cookie])
    answer = page.goto(cookie["url"] + address)
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("route", PAGES)
def test_a_page_is_there_for_everybody(window: Page, filled: Filled, route: str) -> None:
    assert route in filled.visit.addresses, "no link leads there from the menu on"
    if not filled.visit.html[route]:
        return  # a file, which was opened on the walk
    page = window
    _enter(page, filled.session, filled.visit.addresses[route])
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    assert page.evaluate(_ROWS_OF_FILTERS) <= 1
    looks_right(page, route)


def test_a_purchase_with_all_that_may_happen_to_it_is_there_for_everybody(
    window: Page, filled: Filled, desk: Desk
) -> None:
    """The walk comes to one that was denied: this one has a card, what was paid with it, and what came back."""
    bought = desk.roony.owner.get("/api/v1/admin/purchases", params={"limit": 200})["data"]
    refunded = next(one for one in bought if one["refunded_amount"] and one["merchant"]["name"] == "Notion")
    _enter(window, filled.session, f"/purchases/{refunded['id']}")
    looks_right(window, "purchases one refunded")


def test_every_link_leads_somewhere(filled: Filled) -> None:
    assert filled.visit.broken == {}


def test_all_of_the_menu_is_reached_and_opened_with_the_keyboard(
    open_page: Callable[..., Page], filled: Filled
) -> None:
    page = open_page(viewport=WIDE)
    _enter(page, filled.session, "/")
    reached = []
    for _ in range(200):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "() => { const one = document.activeElement; return [one.tagName, one.getAttribute('href') ?? '',"
            " getComputedStyle(one).outlineStyle] }"
        )
        if told[0] == "BODY":
            break
        assert told[2] != "none", f"{told} does not show that it is focused"
        reached.append(told[1])
    menu = [item.path for _, items in MENU for item in items]
    assert [path for path in reached if path in menu and path != "/"][: len(menu) - 1] == menu[1:]
    last = page.locator(f"#menu a[href='{menu[-1]}']")
    last.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#menu [aria-current=page]")).to_have_attribute("href", menu[-1])
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    expect(page.locator("#menu")).to_be_hidden()
    button = page.get_by_role("button", name="Menu")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#menu")).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")


@pytest.mark.parametrize("role", ["viewer", "approver", "admin"])
def test_a_role_sees_the_buttons_that_work_for_it_and_no_others(desk: Desk, filled: Filled, role: str) -> None:
    with desk.visitor(desk.person(role)) as browser:
        visit = walk(browser)
    assert visit.broken == {}
    calls = {
        (route, method, unescape(path)) for route, html in visit.html.items() for method, path in _CALL.findall(html)
    }
    assert [call for call in calls if not _allows(role, *call[1:])] == []
    owners = {call for html in filled.visit.html.values() for call in _CALL.findall(html)}
    assert any(not _allows(role, *call) for call in owners), "owners have more than this role"


def _allows(role: str, method: str, path: str) -> bool:
    """What web/permissions.py says of the API's route behind a button."""
    fitting = [
        (route.count("{"), permission)
        for (verb, route), permission in PERMISSIONS.items()
        if verb == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", route), path.partition("?")[0])
    ]
    return may(role, min(fitting)[1] if fitting else OWNER_ONLY)
