"""Agents, projects and their rules in a browser: made, changed after a look at the past, stopped, and given keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from roony.core.control import FIELDS
from tests.support.desk import Desk, look_again
from tests.support.served import unique

EVERY_CONTROL: dict[str, Any] = {
    "purchase_limit": 20_050, "approval_threshold": 0, "second_approval_threshold": 100_000,
    "approval_expiry_seconds": 5_400, "approve_new_merchants": False, "approve_categories": ["car_washes"],
    "allowed_merchants": ["Figma", "Notion <b>Labs</b>"], "blocked_merchants": ["Acme"],
    "allowed_categories": ["car_washes", "computer_software_stores"], "blocked_categories": ["betting_casino_gambling"],
    "allowed_countries": ["DE", "US"], "blocked_countries": ["FR"], "velocity_count": 7, "velocity_amount": 99,
    "active_hours": {"days": ["mon", "sun"], "from": "22:00", "to": "24:00"}, "card_ttl_seconds": 86_400,
    "tolerance_amount": 5, "tolerance_percent": 3, "merchant_lock": "monitor", "foreign_currency": "allow",
    "delivery": "reveal", "duplicate_window_seconds": 61,
}  # fmt: skip
MERCHANT = {"name": "Figma", "category": "computer_software_stores", "country": "US"}


def wish(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "usd", "description": "1 month Figma", "merchant": MERCHANT}


def shown_key(page: Page, place: str) -> str:
    """The key that a page shows once."""
    expect(page.locator(place)).to_be_visible()
    return page.locator(place).inner_text()


def review(page: Page) -> None:
    page.get_by_role("button", name="See what this changes").click()


def test_an_agent_from_its_first_key_to_a_rule_that_refuses(owner_page: Page, desk: Desk) -> None:
    page, name = owner_page, unique("Buyer")
    page.get_by_role("link", name="Agents", exact=True).click()
    page.get_by_role("link", name="New agent").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Most for one purchase").fill("1e3")
    page.get_by_role("button", name="Make the agent").click()
    expect(page.get_by_text("It must be an amount such as 49.99.")).to_be_visible()
    page.get_by_label("Most for one purchase").fill("200.50")
    page.get_by_role("button", name="Make the agent").click()
    made = page.get_by_role("region", name="The key, shown this once")
    key = shown_key(page, "#made-key")
    assert key in made.locator("#made-mcp").inner_text()
    agent = desk.roony.caller(key)
    bought = agent.send("POST", "/api/v1/purchase_intents", wish(20_050), 201)
    assert bought["decision"]["verdict"] == "approved", bought
    made.get_by_role("link", name="To the agent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_text("One purchase is 200.50 USD at most (set for this agent).")).to_be_visible()
    expect(page.get_by_text("200.50 USD held of 500.00 USD")).to_be_visible()
    page.get_by_role("link", name="All it asked for").click()
    expect(page.get_by_role("link", name="Figma")).to_be_visible()
    page.go_back()

    page.get_by_role("link", name="Change the rules").click()
    page.get_by_label("Most for one purchase").fill("150")
    review(page)
    looked = page.get_by_role("region", name="What this changes")
    expect(looked.get_by_role("row").nth(1)).to_have_text("Most for one purchase, in USD200.50 USD150.00 USD")
    # All decisions of the organization are tried, those of other tests too.
    expect(looked).to_contain_text(re.compile(r"Of \d+ decisions, 1 would have been others\."))
    expect(looked).to_contain_text("1 approved would have been declined: 200.50 USD")
    expect(looked.get_by_role("cell", name=name)).to_be_visible()
    # To edit again is to look again.
    page.get_by_label("Purchases an agent may ask for in an hour").fill("9")
    expect(looked).to_be_hidden()
    review(page)
    page.get_by_role("button", name="Save these rules").click()
    expect(page.get_by_text("One purchase is 150.00 USD at most (set for this agent).")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="No longer: One purchase is 200.50 USD at most.")).to_be_visible()
    refused = agent.send("POST", "/api/v1/purchase_intents", wish(20_049), 201)
    assert [reason["code"] for reason in refused["decision"]["reasons"]] == ["OVER_PURCHASE_LIMIT"]


def test_a_frozen_agent_buys_nothing_and_keys_come_and_go(owner_page: Page, desk: Desk) -> None:
    page, buyer = owner_page, desk.roony.buyer()
    page.goto(f"{desk.url}/agents/{buyer.id}")
    page.get_by_role("button", name="Freeze", exact=True).click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("button", name="Unfreeze")).to_be_visible()
    refused = buyer.api.send("POST", "/api/v1/purchase_intents", wish(100), 201)
    assert refused["status"] == "declined"
    page.goto(f"{desk.url}/projects/{buyer.project_id}")
    expect(page.get_by_role("row").filter(has_text="frozen")).to_have_count(1)

    page.goto(f"{desk.url}/agents/{buyer.id}")
    page.get_by_text("New key").click()
    page.get_by_label("Name of the key").fill("laptop")
    page.get_by_role("checkbox", name="see card details").uncheck()
    page.get_by_label("Ends after").fill("90d")
    page.get_by_role("button", name="Make the key").click()
    key = desk.roony.caller(shown_key(page, "#new-key-key"))
    assert key.get("/api/v1/purchase_intents")["data"]
    look_again(page)
    row = page.get_by_role("row").filter(has_text="laptop")
    expect(row).to_contain_text("purchase, read")
    row.get_by_label("goes on working beside the new one").select_option("not at all")
    row.get_by_role("button", name="Rotate").click()
    page.get_by_role("button", name="Yes").click()
    newer = desk.roony.caller(shown_key(page, "#new-key-key"))
    assert key.call("GET", "/api/v1/purchase_intents").status_code == 401
    assert newer.get("/api/v1/purchase_intents")["data"]
    look_again(page)
    rows = page.get_by_role("row").filter(has_text="laptop")
    expect(rows).to_have_count(2)
    rows.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Yes").click()
    expect(rows.filter(has_text="Revoked")).to_have_count(1)
    expect(rows.get_by_role("button", name="Revoke")).to_have_count(0)
    assert newer.call("GET", "/api/v1/purchase_intents").status_code == 401


def test_every_control_has_its_input_and_comes_back_as_it_was(owner_page: Page, desk: Desk) -> None:
    page = owner_page
    for buyer, scope in ((desk.roony.buyer(), "agent"), (desk.roony.buyer(), "task")):
        scope_id = buyer.id if scope == "agent" else f"{buyer.id}:*"
        body = {"scope": scope, "scope_id": scope_id, "controls": EVERY_CONTROL}
        desk.roony.owner.send("PUT", "/api/v1/admin/controls", body)
        page.goto(f"{desk.url}/rules/{scope_id}")
        names = page.locator("#rules [name]").evaluate_all("fields => fields.map((field) => field.name)")
        assert set(FIELDS) == set(EVERY_CONTROL)
        for field in FIELDS:
            name = f"controls.{field}"
            assert name in names or f"{name}.from" in names, field
        review(page)
        expect(page.locator("#review-changes")).to_have_text("Nothing: these are the rules of now.")


def test_rules_somebody_else_changed_are_not_written_over(owner_page: Page, desk: Desk) -> None:
    page, buyer = owner_page, desk.roony.buyer()
    page.goto(f"{desk.url}/rules/{buyer.project_id}")
    page.get_by_label("Never these countries").fill("XX")
    review(page)
    expect(page.get_by_text("'XX' is not a two-letter country code (ISO 3166-1).")).to_be_visible()
    page.get_by_label("Never these countries").fill("FR")
    page.get_by_placeholder("Find a category").last.fill("never")
    page.get_by_placeholder("Find a category").last.press("Enter")
    page.get_by_label("from", exact=True).fill("09:00")
    page.get_by_label("to", exact=True).fill("17:30")
    page.get_by_label("Most a day").fill("0.50")
    review(page)
    expect(page.get_by_role("region", name="What this changes").get_by_role("row")).to_have_count(5)
    body = {"scope": "project", "scope_id": buyer.project_id, "controls": {"velocity_count": 3}}
    desk.roony.owner.send("PUT", "/api/v1/admin/controls", body)
    page.get_by_role("button", name="Save these rules").click()
    expect(page.get_by_role("alert").filter(has_text="changed")).to_be_visible()
    [kept] = desk.roony.owner.get(f"/api/v1/admin/controls?scope_id={buyer.project_id}")["data"]
    assert kept["controls"] == {"velocity_count": 3}


def test_a_viewer_reads_rules_and_changes_none(open_page: Callable[..., Page], desk: Desk) -> None:
    page, buyer = open_page(viewport={"width": 390, "height": 800}), desk.roony.buyer()
    desk.sign_in(page, desk.person("viewer"), f"/rules/{buyer.id}")
    expect(page.get_by_role("heading", name="Rules in force")).to_be_visible()
    for path in (f"/rules/{buyer.id}", f"/agents/{buyer.id}", f"/projects/{buyer.project_id}", "/agents"):
        page.goto(f"{desk.url}{path}")
        expect(page.locator("main form:not(.filters)"), path).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    page.goto(f"{desk.url}/agents/new")
    expect(page.get_by_role("heading", level=1)).to_have_text("You may not see this")
