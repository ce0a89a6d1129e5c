"""Signing in and out in a browser, invitations, and what a role shows."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.desk import PASSWORD, Desk, look_again


def test_in_with_a_password_and_out_again(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.url}/account")
    expect(page).to_have_url(f"{desk.url}/sign-in?next=%2Faccount")
    page.get_by_label("E-mail address").fill(desk.owner.email.upper())
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("This e-mail address and password do not belong together.")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{desk.url}/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{desk.url}/sign-in")
    page.go_back()
    look_again(page)
    expect(page).to_have_url(f"{desk.url}/sign-in?next=%2Faccount")


def test_an_invitation_opens_once(page: Page, open_page: Callable[..., Page], desk: Desk) -> None:
    body = {"name": "Vera Viewer", "email": "vera@example.com", "role": "viewer"}
    link = desk.invitation(desk.roony.owner.send("POST", "/api/v1/admin/users", body, 201)["id"])
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, Vera Viewer")
    page.get_by_label("Choose a password").fill("aaaaaaaaaaaa")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_have_text("It is too easy to guess.")
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page).to_have_url(f"{desk.url}/")
    other = open_page()
    other.goto(link)
    expect(other.get_by_role("heading", level=1)).to_have_text("This link does not work")


def test_another_browser_is_signed_out_from_the_account(open_page: Callable[..., Page], desk: Desk) -> None:
    person = desk.person("viewer")
    first, second = open_page(), open_page()
    desk.sign_in(first, person)
    desk.sign_in(second, person, "/account")
    rows = second.get_by_role("row").filter(has_text="Chrome").filter(has=second.get_by_role("button"))
    expect(rows).to_have_count(1)
    rows.get_by_role("button").click()
    expect(rows).to_have_count(0)
    look_again(first)
    expect(first).to_have_url(f"{desk.url}/sign-in")


def test_a_password_is_changed(page: Page, desk: Desk) -> None:
    person = desk.person("viewer")
    desk.sign_in(page, person, "/account")
    page.get_by_label("The password now").fill("not the password")
    page.get_by_label("The new one").fill("another row of plain words")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("This is not the password.")).to_be_visible()
    page.get_by_label("The password now").fill(PASSWORD)
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("The password is changed.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password").fill("another row of plain words")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{desk.url}/")


def test_a_passkey_from_adding_it_to_removing_it(page: Page, desk: Desk) -> None:
    """With Chromium's own virtual device, which says that its user said who they are."""
    chrome = page.context.new_cdp_session(page)
    chrome.send("WebAuthn.enable")
    device = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    id = chrome.send("WebAuthn.addVirtualAuthenticator", {"options": device})["authenticatorId"]
    desk.sign_in(page, desk.person("viewer"), "/account")
    page.get_by_label("A name for it").fill("Work laptop")
    page.get_by_role("button", name="Add a passkey").click()
    row = page.get_by_role("row").filter(has_text="Work laptop")
    expect(row).to_have_count(1)
    page.get_by_label("A name for it").fill("The same again")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("This device has a passkey of yours already.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{desk.url}/sign-in")
    page.goto(f"{desk.url}/sign-in?next=/account")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{desk.url}/account")
    row.get_by_role("button").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("You have no passkey yet.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").filter(has_text="not known here any more")).to_be_visible()
    chrome.send("WebAuthn.setUserVerified", {"authenticatorId": id, "isUserVerified": False})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("The browser gave no passkey. Try again.")).to_be_visible()
