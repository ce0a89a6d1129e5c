"""Cards and transactions in a browser: a card is frozen, let go and canceled; a capture leads to its purchase."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.support.desk import Desk, confirm
from tests.support.served import unique


def test_a_card_is_frozen_let_go_and_canceled_and_a_capture_is_found(owner_page: Page, desk: Desk) -> None:
    page, roony = owner_page, desk.roony
    buyer, merchant, other = roony.buyer(), unique("Linear"), unique("Miro <b>")
    bought = buyer.buy(2_000, merchant)
    paid = buyer.buy(3_000, other)
    charged = roony.charge(paid.stripe_card, 3_000, other)
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(charged.id)
    roony.settle()

    page.get_by_role("link", name="Cards", exact=True).click()
    # What is chosen stays chosen when the page is drawn again for a card that is new.
    chosen, late = page.get_by_label("Status"), unique("Notion")
    chosen.select_option("canceled")
    page.get_by_role("button", name="Show").focus()
    buyer.buy(1_000, late)
    expect(page.get_by_role("row").filter(has_text=late)).to_be_visible()
    expect(chosen).to_have_value("canceled")
    row = page.get_by_role("row").filter(has_text=merchant)
    row.get_by_role("button", name="Freeze").click()
    expect(row.locator(".status")).to_have_text("Frozen")
    assert roony.card_of(bought.id)["status"] == "frozen"
    row.get_by_role("button", name="Unfreeze").click()
    expect(row.locator(".status")).to_have_text("Active")
    confirm(page, row.get_by_role("button", name="Cancel"))
    expect(row.locator(".status")).to_have_text("Canceled")
    expect(row.get_by_role("button")).to_have_count(0)
    used = page.get_by_role("row").filter(has_text=other)
    expect(used.locator(".status")).to_have_text("Used")

    page.get_by_role("link", name="Transactions", exact=True).click()
    page.get_by_label("Type").select_option("capture")
    page.get_by_role("button", name="Show").click()
    row = page.get_by_role("row").filter(has_text=other)
    expect(row.locator("td.amount")).to_have_text("30.00 USD")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"30.00 USD at {other}")
