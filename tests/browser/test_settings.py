"""Settings in a browser: the organization's own, who is told by message, and webhooks from secret to delivery."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.desk import Desk, look_again
from tests.support.receiver import Receiver
from tests.support.served import until

TOKEN = "3ccdd113474722377935511fc85d3dd4"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def test_the_organization_and_its_cardholder(page: Page, desk: Desk) -> None:
    desk.company(page)
    page.goto(f"{desk.url}/settings")
    page.get_by_label("Name", exact=False).first.fill("Renamed <b>Ltd</b>")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator(".organization")).to_contain_text("Renamed <b>Ltd</b>")
    page.get_by_label("How agents get card numbers").select_option("reveal")
    page.get_by_label("Payments on cards that Roony did not make").select_option("approve_while_unfrozen")
    page.get_by_label("Warn when the Issuing balance falls to").fill("1234.50")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("Warn when the Issuing balance falls to")).to_have_value("1234.50")
    for name, text in (
        ("Name on the card", "Jane Doe"), ("Street and number", "1 Main St"), ("City", "Oakland"),
        ("Postal code", "94601"), ("Country", "US"),
    ):  # fmt: skip
        page.get_by_role("textbox", name=name).fill(text)
    page.get_by_role("button", name="Save the cardholder").click()
    expect(page.get_by_text("None was given yet")).to_have_count(0)
    organization = page.request.get(f"{desk.url}/api/v1/admin/organization").json()
    address = {"line1": "1 Main St", "city": "Oakland", "postal_code": "94601", "country": "US"}
    assert organization["cardholder"] == {"name": "Jane Doe", "billing": {"address": address}}
    shown = [organization[name] for name in ("name", "delivery", "unknown_cards", "low_balance_amount")]
    assert shown == ["Renamed <b>Ltd</b>", "reveal", "approve_while_unfrozen", 123_450]
    page.get_by_role("button", name="Seal again").click()
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator("#sealed")).to_contain_text("Already current")


def test_an_endpoint_from_its_secret_to_a_delivery_that_is_sent_again(
    page: Page, desk: Desk, receiver: Receiver
) -> None:
    desk.company(page)
    page.goto(f"{desk.url}/settings/notifications")
    page.get_by_text("Add an endpoint").click()
    form = page.locator("#add-endpoint")
    form.get_by_label("Address").fill("https://10.0.0.1/hook")
    form.get_by_role("button", name="Add it").click()
    expect(form.locator(".wrong:visible")).to_have_count(1)
    form.get_by_label("Address").fill(receiver.url)
    form.get_by_label("What it is for").fill("<i>Books</i>")
    form.get_by_label("purchase.settled").check()
    form.get_by_role("button", name="Add it").click()
    expect(page.locator("#new-secret code")).to_contain_text("whsec_")
    secret = page.locator("#new-secret code").inner_text()
    page.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_role("row").filter(has_text="<i>Books</i>")).to_contain_text("purchase.settled")
    page.get_by_role("link", name=receiver.url).click()
    page.get_by_role("button", name="Send a test").click()
    until(lambda: len(receiver.arrived), 1)
    _shows(page, "Delivered")
    page.get_by_role("button", name="Send again").first.click()
    until(lambda: len(receiver.arrived), 2)
    _shows(page, "Delivered")
    page.get_by_text("Send everything again since a time").click()
    replay = page.locator("#replay")
    replay.get_by_label("Since").fill("yesterday")
    replay.get_by_role("button", name="Send again").click()
    expect(replay.locator(".wrong:visible")).to_contain_text("90m, 2h or 7d")
    replay.get_by_label("Since").fill("2h")
    replay.get_by_role("button", name="Send again").click()
    until(lambda: len(receiver.arrived), 3)
    assert len({one.headers["webhook-id"] for one in receiver.arrived}) == 1
    page.get_by_role("button", name="Disable").click()
    expect(page.locator(".heading .status")).to_have_text("Disabled")
    page.get_by_role("button", name="Enable").click()
    expect(page.locator(".heading .status")).to_have_text("Active")
    page.get_by_role("button", name="New secret").click()
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator("#new-secret code")).to_contain_text("whsec_")
    assert page.locator("#new-secret code").inner_text() != secret
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.get_by_text("No endpoint yet.")).to_be_visible()


def _shows(page: Page, status: str) -> None:
    """The page is looked at again until a delivery stands as it was answered."""

    def shown() -> int:
        look_again(page)
        return page.locator("tbody .status", has_text=status).count()

    until(shown, 1)


def test_who_is_told_by_message(page: Page, open_page: Callable[..., Page], desk: Desk, receiver: Receiver) -> None:
    viewer = open_page()
    desk.sign_in(viewer, desk.person("viewer"), "/settings")
    expect(viewer.locator("main form")).to_have_count(0)
    desk.company(page)
    page.goto(f"{desk.url}/settings/notifications")
    page.get_by_text("Tell somebody").click()
    form = page.locator("#add-recipient")
    form.get_by_label("Name").fill("Night shift")
    form.get_by_label("Address").fill(f"mmost://127.0.0.1:{receiver.port}/{TOKEN}")
    form.get_by_label("approval.requested").check()
    form.get_by_role("button", name="Tell them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Night shift")
    expect(page.get_by_text(TOKEN)).to_have_count(0)
    page.get_by_role("button", name="Send a test").click()
    until(lambda: len(receiver.arrived), 1)
    _shows(page, "Delivered")
    page.get_by_role("button", name="Disable").click()
    expect(page.locator(".heading .status")).to_have_text("Disabled")
    page.get_by_text("Change", exact=True).click()
    page.get_by_label("budget.exhausted").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main dl")).to_contain_text("approval.requested, budget.exhausted")
