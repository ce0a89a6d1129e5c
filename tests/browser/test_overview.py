"""The overview in a browser: it follows what happens, and stops everything only when somebody means it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.desk import Desk, look_again
from tests.support.served import unique


def test_it_is_drawn_again_when_something_happens(owner_page: Page, desk: Desk) -> None:
    # Lost if the page were loaded anew.
    owner_page.evaluate("window.mark = 'the same page'")
    focused = owner_page.get_by_role("button", name="Freeze everything")
    focused.focus()
    buyer = desk.roony.buyer(controls={"purchase_limit": 1_000})
    shop = unique("Figma")
    assert buyer.ask(7_777, shop)["status"] == "declined"
    expect(owner_page.get_by_role("link", name=f"77.77 USD at {shop}")).to_be_visible()
    assert owner_page.evaluate("window.mark") == "the same page"
    expect(focused).to_be_focused()


def test_a_page_that_hears_nothing_any_more_says_so(open_page: Callable[..., Page], desk: Desk) -> None:
    page, viewer = open_page(), desk.person("viewer")
    desk.sign_in(page, viewer)
    stale = page.get_by_text("Nothing new is shown on this page any more.")
    expect(stale).to_be_hidden()
    desk.roony.owner.send("PATCH", f"/api/v1/admin/users/{viewer.id}", {"disabled": True})
    desk.roony.buyer(controls={"purchase_limit": 1}).ask(7_778, unique("Figma"))
    expect(stale).to_be_visible()


def test_everything_is_frozen_and_let_go_with_the_keyboard(open_page: Callable[..., Page], desk: Desk) -> None:
    page = open_page()
    desk.company(page)
    page.goto(f"{desk.url}/")
    frozen = page.get_by_text("Everything is frozen: no purchase is approved and no card pays.")
    page.get_by_role("button", name="Freeze everything").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("No purchase is approved and no card pays until you unfreeze.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    look_again(page)
    expect(frozen).to_be_hidden()
    for word, there in (("Freeze", True), ("Unfreeze", False)):
        page.get_by_role("button", name=f"{word} everything").focus()
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Keep it as it is")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(frozen).to_be_visible(visible=there)
