"""From an empty organization to the first settled purchase, without a command line; connections and people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.support.desk import PASSWORD, Desk, connect_account, look_again
from tests.support.served import unique


def _fill(page: Page, **fields: str) -> None:
    for label, text in fields.items():
        page.get_by_label(label.replace("_", " ")).fill(text)


def _connect(page: Page) -> None:
    """Through Stripe's own pages and back."""
    connect_account(page)
    page.get_by_role("link", name="Go on in Roony").click()
    page.wait_for_url("**/start")


def test_first_run_to_the_first_settled_purchase(page: Page, desk: Desk) -> None:
    page.goto(desk.first_run())
    company = unique("Acme")
    _fill(page, Company=company, Your_name="Olive", Your_e="olive@example.com", Choose_a_password=PASSWORD)
    page.get_by_role("button", name="Create the organization").click()
    page.wait_for_url("**/start")
    expect(page.locator("[aria-current=step]")).to_have_text("Connect Stripe")
    _connect(page)
    expect(page.locator("#account")).to_be_visible()

    # What is missing is said with what to do; what nobody but the owner can see is confirmed here.
    expect(page.get_by_text("Nobody has confirmed it")).to_have_count(2)
    expect(page.get_by_text("Roony's address, for real-time")).to_contain_text(f"{desk.roony.url}/api/webhooks/stripe")
    page.get_by_label("Roony's address is the real-time authorization URL.").check()
    page.get_by_label("The timeout action is decline.").check()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_label("The timeout action is decline.", exact=True)).not_to_be_visible()
    expect(page.get_by_text("Nobody has confirmed it")).to_have_count(0)
    _fill(page, Name_of_the_project="Research")
    page.get_by_role("button", name="Save the name").click()
    expect(page.get_by_label("Name of the project")).to_have_value("Research")

    _fill(page, Name_of_the_agent="Buyer")
    page.get_by_label("Most for one purchase").fill("ten")
    page.get_by_role("button", name="Make the agent").click()
    expect(page.get_by_text("It must be an amount such as 49.99.")).to_be_visible()
    page.get_by_label("Most for one purchase").fill("80")
    page.get_by_role("button", name="Make the agent").click()
    expect(page.locator("#made")).to_be_visible()
    key = page.locator("#made-key").inner_text()
    server = json.loads(page.locator("#made-mcp").inner_text())["mcpServers"]["roony"]
    assert server["headers"]["Authorization"] == f"Bearer {key}"
    assert f"Bearer {key}" in page.locator("#made-rest").inner_text()
    rules = httpx2.get(
        f"{desk.roony.url}/api/v1/controls",
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
        timeout=60,
    ).json()
    [controls] = [level["controls"] for level in rules["data"] if level["scope"] == "agent"]
    assert (controls["purchase_limit"], controls["allowed_categories"]) == (8_000, ["software"])

    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("#made-key")).not_to_be_visible()
    expect(page.get_by_text("Buyer asks for 12.00 USD")).to_be_visible()
    page.get_by_role("button", name="Let it ask").click()
    page.get_by_role("button", name="Charge the card").click()
    expect(page.get_by_text("Asked, approved, paid and booked.")).to_be_visible()
    expect(page.locator("[aria-current=step]")).to_have_count(0)
    page.get_by_role("link", name="see the overview").click()
    expect(page.get_by_text("12.00 USD").first).to_be_visible()


def test_the_time_zone_of_whoever_sets_it_up_is_chosen(open_page: Callable[..., Page], desk: Desk) -> None:
    """It can never be changed. What somebody chose stays when the form comes back."""
    page = open_page(timezone_id="Europe/Berlin")
    page.goto(desk.first_run())
    zone = page.get_by_label("Time zone")
    expect(zone).to_have_value("Europe/Berlin")
    zone.select_option("Asia/Tokyo")
    email = "olive.owner@example.com"
    _fill(page, Company=unique("Acme"), Your_name="Olive", Your_e=email, Choose_a_password=email)
    page.get_by_role("button", name="Create the organization").click()
    expect(page.get_by_role("alert")).to_have_text("Password: It is too easy to guess.")
    expect(zone).to_have_value("Asia/Tokyo")


def test_a_connection_is_looked_at_probed_and_ended(page: Page, desk: Desk) -> None:
    desk.company(page)
    page.goto(f"{desk.url}/connections")
    expect(page.get_by_text("No Stripe account is connected.")).to_be_visible()
    _connect(page)
    page.goto(f"{desk.url}/connections")
    expect(page.get_by_text("Events come in the account's default version")).to_be_visible()
    page.get_by_role("button", name="Set up webhooks").click()
    # The simulator's own endpoint has no version: that one is to be seen to now.
    expect(page.get_by_text("Some events come in the account's default version")).to_be_visible()
    expect(page.get_by_text("Press “Set up webhooks”")).to_have_count(0)
    page.get_by_role("button", name="Make a test authorization").click()
    expect(page.get_by_text("Stripe asked Roony and heard its answer")).to_be_visible()
    # What is well asks for nothing.
    expect(page.get_by_text("mend what it finds")).to_have_count(0)
    page.get_by_label("Payments with cards Roony did not make").select_option("decline")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_label("Payments with cards Roony did not make")).to_have_value("decline")
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("section.card .status").first).to_have_text("Revoked")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_whoever_connects_comes_back_to_where_they_are_signed_in(page: Page, desk: Desk, host: str) -> None:
    """A session belongs to one name of this machine."""
    base = desk.url.replace("localhost", host)
    form = {"email": desk.company(page), "password": PASSWORD, "next": "/"}
    page.context.clear_cookies()
    assert page.request.post(f"{base}/sign-in", form=form, max_redirects=0).status == 303
    page.goto(f"{base}/connections")
    connect_account(page)
    expect(page.get_by_role("heading", name="The Stripe account is connected")).to_be_visible()
    assert page.url.startswith(f"{base}/connect/stripe/callback?")
    # Only who is signed in is led to these.
    expect(page.locator("a[href$='/connections']")).to_have_attribute("href", f"{base}/connections")
    page.get_by_role("link", name="Go on in Roony").click()
    expect(page).to_have_url(f"{base}/start")


def test_people_are_invited_changed_and_disabled(page: Page, open_page: Callable[..., Page], desk: Desk) -> None:
    desk.company(page)
    page.goto(f"{desk.url}/users")
    email = f"{unique('ann').replace(' ', '.').lower()}@example.com"
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Role", exact=True).last.select_option("viewer")
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(re.compile(r"/users/usr_"))
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#invitation")).to_be_visible()
    link = page.locator("#invitation a").inner_text()
    assert urlsplit(link).path == "/welcome"

    ann = open_page()
    ann.goto(link)
    ann.get_by_label("Choose a password").fill(PASSWORD)
    ann.get_by_role("button").click()
    # A page that is left while its form is under way may take the form along.
    expect(ann).to_have_url(f"{desk.url}/")
    ann.goto(f"{desk.url}/users")
    expect(ann.get_by_role("heading", name="Add somebody")).to_have_count(0)
    ann.goto(f"{desk.url}/start")
    expect(ann.get_by_text("Only owners can do all of this.")).to_be_visible()

    look_again(page)
    page.get_by_label("Role", exact=True).select_option("admin")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("dl.facts dd").nth(1)).to_have_text("admin")
    page.get_by_label("Name", exact=True).last.fill("laptop")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator("#key code")).to_have_text(re.compile("^roony_admin_"))
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("button", name="Let in again")).to_be_visible()
    look_again(ann)
    expect(ann).to_have_url(re.compile("/sign-in"))
    page.goto(f"{desk.url}/users/usr_nobody")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
