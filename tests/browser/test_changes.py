"""Two people for looser rules in a browser: what one loosens waits on a page until another one confirms it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import APIResponse, Page, expect

from tests.support.desk import PASSWORD, Desk, confirm
from tests.support.looking import WIDE, looks_right
from tests.support.served import unique

ADMIN = "/api/v1/admin"


def _send(page: Page, desk: Desk, method: str, path: str, body: Any) -> APIResponse:
    """A call in the session of this window, whose page carries the token."""
    token = page.locator("meta[name=csrf]").get_attribute("content") or ""
    return page.request.fetch(f"{desk.url}{ADMIN}{path}", method=method, data=body, headers={"X-Roony-CSRF": token})


def _second_person(page: Page, desk: Desk, window: Page) -> None:
    """Signs an admin of the same company in in another window."""
    email = f"{unique('ben').replace(' ', '.')}@example.com"
    made = _send(page, desk, "POST", "/users", {"name": "Ben", "email": email, "role": "admin"}).json()
    window.goto(_send(page, desk, "POST", f"/users/{made['id']}/invitation", {}).json()["url"])
    window.get_by_label("Choose a password").fill(PASSWORD)
    window.get_by_role("button").click()
    expect(window).to_have_url(f"{desk.url}/")


def test_what_one_person_loosens_another_one_confirms(open_page: Callable[..., Page], desk: Desk) -> None:
    page, other = (open_page(viewport=WIDE, reduced_motion="reduce") for _ in range(2))
    desk.company(page, "Acme")
    page.goto(f"{desk.url}/settings")
    _second_person(page, desk, other)
    box = page.get_by_label("Two people", exact=False).first
    box.check()
    page.locator("form").filter(has=box).get_by_role("button").click()
    expect(box).to_be_checked()

    organization = page.request.get(f"{desk.url}{ADMIN}/organization").json()["id"]
    rule = {"scope": "organization", "scope_id": organization}
    assert _send(page, desk, "PUT", "/controls", {**rule, "controls": {"purchase_limit": 5_000}}).ok
    for limit in (9_000, 8_000):
        looser = _send(page, desk, "PUT", "/controls", {**rule, "controls": {"purchase_limit": limit}})
        assert looser.json()["error"]["code"] == "waits_for_second_person"

    page.goto(f"{desk.url}/changes")
    expect(page.locator("#menu a[href='/changes'] .count")).to_have_text("2")
    expect(page.locator("[data-row]")).to_have_count(2)
    # Nobody confirms a change of their own.
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)
    other.goto(f"{desk.url}/changes")
    rows = other.locator("[data-row]")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("Purchase limit, Acme")
    expect(rows.last).to_contain_text("Proposed by Olive Owner")
    looks_right(other, "changes waiting")
    confirm(other, rows.last.get_by_role("button", name="Confirm"))
    expect(rows).to_have_count(1)
    [kept] = page.request.get(f"{desk.url}{ADMIN}/controls", params=rule).json()["data"]
    assert kept["controls"]["purchase_limit"] == 9_000
    # The page of who loosened it hears of it.
    expect(page.locator("[data-row]")).to_have_count(1)
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("No changes here.")).to_be_visible()
    page.get_by_label("Status").select_option("confirmed")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("[data-row]")).to_have_count(1)
    looks_right(page, "changes confirmed")
