"""A page that is drawn again by itself, under the hand of whoever is busy with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Windows
from tests.support.desk import Desk, wait_until_ready
from tests.support.served import Buyer, unique

# Whether the page has put off to draw what it heard of.
IS_BEHIND, IS_UP_TO_DATE = "() => isBehind", "() => !isBehind"


@pytest.fixture
def buyer(desk: Desk) -> Buyer:
    """An agent whose asks are all declined, and told on the overview."""
    return desk.roony.buyer(controls={"purchase_limit": 1})


def declined(buyer: Buyer) -> str:
    """One more, by the name of its merchant."""
    shop = unique("Figma")
    assert buyer.ask(7_777, shop)["status"] == "declined"
    return shop


class Held:
    """Opens a page; what it fetches of itself comes to it when it is let go."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._routes: list[Route] = []
        self._held = True
        page.goto("about:blank")
        page.route("**/*", self._take)
        # It does so once it hears what happens.
        with page.expect_request(lambda asked: "x-roony-by-itself" in asked.headers):
            page.goto(url)
        wait_until_ready(page)

    def _take(self, route: Route) -> None:
        if self._held and "x-roony-by-itself" in route.request.headers:
            self._routes.append(route)
        else:
            route.fallback()

    def let_go(self) -> None:
        """All of it, for ever; the page has done with it whatever it wants to do."""
        self._held = False
        for route in self._routes:
            with self._page.expect_event("requestfinished", lambda done, held=route: done == held.request):
                route.continue_()
        self._page.evaluate("new Promise((done) => setTimeout(done))")


def press_down(page: Page, name: str) -> None:
    """The first half of a press."""
    page.get_by_role("button", name=name).hover()
    page.mouse.down()


def test_a_press_counts_whatever_happens_meanwhile(owner_page: Page, desk: Desk, buyer: Buyer) -> None:
    """Whether the page was fetched before the button was down or hears of something while it is."""
    page = owner_page
    dialog, keep = page.get_by_role("dialog"), page.get_by_role("button", name="Keep it as it is")
    held = Held(page, f"{desk.url}/")
    first = declined(buyer)
    press_down(page, "Freeze everything")
    held.let_go()
    page.mouse.up()
    expect(dialog).to_be_visible()
    keep.click()
    expect(page.get_by_role("link", name=f"at {first}")).to_be_visible()

    page.wait_for_function(IS_UP_TO_DATE)
    press_down(page, "Freeze everything")
    second = declined(buyer)
    page.wait_for_function(IS_BEHIND)
    page.mouse.up()
    expect(dialog).to_be_visible()
    keep.click()
    expect(page.get_by_role("link", name=f"at {second}")).to_be_visible()
    # By keyboard a press is over when the key is up, too.
    page.wait_for_function(IS_UP_TO_DATE)
    page.get_by_role("button", name="Freeze everything").focus()
    page.keyboard.down("Space")
    third = declined(buyer)
    page.wait_for_function(IS_BEHIND)
    page.keyboard.up("Space")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name=f"at {third}")).to_be_visible()


def test_what_is_begun_while_the_page_is_fetched_is_not_drawn_over(
    open_page: Callable[..., Page], desk: Desk, buyer: Buyer
) -> None:
    """A search that is being typed; it is caught up with when the field is left, and what was typed is still there."""
    page = open_page()
    desk.sign_in(page)
    held = Held(page, f"{desk.url}/purchases")
    shop = declined(buyer)
    search = page.get_by_role("searchbox")
    search.press_sequentially("half a wor")
    search.evaluate("field => { field.mark = 'the same field'; }")
    held.let_go()
    assert search.evaluate("field => field.mark") == "the same field"
    expect(search).to_be_focused()
    search.press_sequentially("d")
    search.blur()
    expect(page.get_by_role("link", name=shop)).to_be_visible()
    expect(search).to_have_value("half a word")


def test_what_a_form_was_told_stays_when_the_page_is_drawn_again(owner_page: Page, desk: Desk, buyer: Buyer) -> None:
    page, why = owner_page, "Somebody else is at it."
    page.route("**/api/v1/admin/freeze", lambda route: route.fulfill(status=409, json={"error": {"message": why}}))
    page.get_by_role("button", name="Freeze everything").click()
    page.get_by_role("button", name="Yes", exact=True).click()
    told = page.get_by_role("alert").filter(has_text=why)
    expect(told).to_be_visible()
    shop = declined(buyer)
    expect(page.get_by_role("link", name=f"at {shop}")).to_be_visible()
    expect(told).to_be_visible()


def test_a_page_that_cannot_be_drawn_again_says_so(browser: Browser, desk: Desk, buyer: Buyer) -> None:
    """A proxy in front whose own sign-in is over refuses the page, or sends it elsewhere, while the stream goes on."""
    fates: list[Callable[[Route], None]] = [
        lambda route: route.fulfill(status=401, body="sign in at the proxy"),
        lambda route: route.fulfill(status=302, headers={"Location": "https://proxy.example/sign-in"}),
        lambda route: route.abort(),
    ]
    # Of its own: the console tells of each.
    with Windows(browser) as windows:
        page = windows.open()
        desk.sign_in(page)
        stale = page.get_by_text("Nothing new is shown on this page any more.")
        for fate in fates:
            page.route("**/*", _instead(fate))
            declined(buyer)
            expect(stale).to_be_visible()
            page.unroute_all()
            shop = declined(buyer)
            expect(page.get_by_role("link", name=f"at {shop}")).to_be_visible()
            expect(stale).to_be_hidden()


def _instead(fate: Callable[[Route], None]) -> Callable[[Route], None]:
    """What becomes of the page when it is fetched by itself."""

    def answer(route: Route) -> None:
        if "x-roony-by-itself" in route.request.headers:
            fate(route)
        else:
            route.fallback()

    return answer
