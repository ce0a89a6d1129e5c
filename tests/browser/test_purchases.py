"""Purchases in a browser: from a search to the timeline of a settled one, a cancel, and what an agent wrote as text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.desk import Desk, confirm, look_again
from tests.support.payer import Payer
from tests.support.served import unique

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def test_from_a_search_to_the_timeline_of_a_settled_purchase(owner_page: Page, desk: Desk) -> None:
    page, roony, merchant = owner_page, desk.roony, unique("Figma")
    buyer = roony.buyer()
    bought = buyer.buy(4_900, merchant, task_id=SCRIPT[:60], metadata={"note": SCRIPT})
    charged = roony.charge(bought.stripe_card, 4_900, merchant)
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(charged.id)
    roony.settle()

    page.get_by_role("link", name="Purchases", exact=True).click()
    page.get_by_role("searchbox").fill(merchant[:-3])
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name=merchant).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"49.00 USD at {merchant}")
    steps = page.locator(".timeline h3")
    expect(steps.first).to_contain_text("asked for 49.00 USD")
    for step in ("The rules approved it", "made", "The card was asked for 49.00 USD: approved", "49.00 USD captured"):
        expect(steps.filter(has_text=step)).to_have_count(1)
    expect(page.locator(".timeline p").filter(has_text="Decided in")).to_have_count(1)
    expect(page.locator(".timeline p.untrusted")).to_have_text(f"From {merchant}")
    expect(page.get_by_role("heading", name="Card ••••", level=2)).to_have_count(1)
    expect(page.get_by_text(SCRIPT, exact=True)).to_be_visible()
    expect(page).to_have_title(f"{merchant} – Roony")
    page.get_by_text("At the ask: approved").click()
    expect(page.get_by_role("row", name="Budgets")).to_contain_text("a month for the agent: 0.00 USD spent")
    page.get_by_text("each in the organization's chain").click()
    expect(page.get_by_role("row", name="purchase.booked")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel it")).to_have_count(0)


def test_a_purchase_is_canceled_on_a_phone_but_not_by_a_viewer(owner_page: Page, page: Page, desk: Desk) -> None:
    bought = desk.roony.buyer().buy(1_000, SCRIPT)
    desk.sign_in(page, desk.person("viewer"), f"/purchases/{bought.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"10.00 USD at {SCRIPT}")
    expect(page.get_by_role("button", name="Cancel it")).to_have_count(0)
    owner_page.set_viewport_size({"width": 390, "height": 844})
    owner_page.goto(f"{desk.url}/purchases/{bought.id}")
    for closed in owner_page.locator("summary").all():
        closed.click()
    assert owner_page.evaluate("document.documentElement.scrollWidth") <= 390
    confirm(owner_page, owner_page.get_by_role("button", name="Cancel it"))
    # What Stripe says of the card may stand after it.
    ended = owner_page.locator(".timeline h3").filter(has_text="No new authorization is accepted any more")
    expect(ended).to_have_count(1)
    assert desk.roony.purchase(bought.id)["status"] == "canceled"


def test_facts_beside_long_names_have_room(owner_page: Page, desk: Desk) -> None:
    """Three cards in a row are the narrowest: the name of a fact is wrapped, not what it says."""
    bought = desk.roony.buyer(name=unique("An agent whose name is rather long")).buy(1_000, unique("Figma"))
    owner_page.goto(f"{desk.url}/purchases/{bought.id}")
    expect(owner_page.locator(".grid > .card")).to_have_count(3)
    widths = "[...document.querySelectorAll('dl.facts dd')].map(one => one.getBoundingClientRect().width)"
    assert min(owner_page.evaluate(widths)) > 100


def test_another_name_that_was_declined_is_learned_and_the_card_pays(owner_page: Page, desk: Desk) -> None:
    """Where such payments are declined nothing was taken, so that no discrepancy would ask about the name."""
    page, roony, merchant, billed = owner_page, desk.roony, unique("Zoom"), f"{unique('Videocalls')} {SCRIPT[:20]}"
    bought = roony.buyer().buy(5_200, merchant)
    assert not roony.charge(bought.stripe_card, 5_200, billed).approved
    roony.settle()
    page.goto(f"{desk.url}/purchases/{bought.id}")
    expect(page.get_by_text("Another merchant asked for the payment")).to_be_visible()
    asked = page.locator("section").filter(has=page.get_by_role("heading", name="Is it the same merchant?"))
    expect(asked.locator(".untrusted")).to_have_text(billed)
    page.get_by_role("button", name=f"It is {merchant}").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"Approve payments by “{billed}”")
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(asked).to_have_count(0)
    assert roony.charge(bought.stripe_card, 5_200, billed).approved
    roony.settle()
    look_again(page)
    expect(page.get_by_text("Another merchant asked for the payment")).to_have_count(0)

    # Who was wrong takes the name back.
    again = roony.buyer().buy(5_400, merchant)
    confirm(page, page.get_by_role("button", name="Take it back"))
    expect(page.get_by_role("heading", name=f"Other names of {merchant}")).to_have_count(0)
    assert not roony.charge(again.stripe_card, 5_400, billed).approved
    roony.settle()


def test_who_may_only_look_is_not_asked_about_a_name(page: Page, desk: Desk) -> None:
    bought = desk.roony.buyer().buy(5_300, unique("Zoom"))
    assert not desk.roony.charge(bought.stripe_card, 5_300, unique("Videocalls")).approved
    desk.sign_in(page, desk.person("approver"), f"/purchases/{bought.id}")
    expect(page.get_by_text("Another merchant asked for the payment")).to_be_visible()
    expect(page.get_by_role("heading", name="Is it the same merchant?")).to_have_count(0)


def test_nobody_is_asked_about_a_name_that_a_rule_blocks(owner_page: Page, desk: Desk) -> None:
    """It is the approved merchant's own: there is nothing to learn, and no yes would let the payment through."""
    merchant, buyer = unique("Zoom"), desk.roony.buyer()
    bought = buyer.buy(5_300, merchant)
    rule = {"scope": "agent", "scope_id": buyer.id, "controls": {"blocked_merchants": [merchant]}}
    desk.roony.owner.send("PUT", "/api/v1/admin/controls", rule)
    assert not desk.roony.charge(bought.stripe_card, 5_300, merchant.upper()).approved
    desk.roony.settle()
    owner_page.goto(f"{desk.url}/purchases/{bought.id}")
    expect(owner_page.get_by_text("Another merchant asked for the payment")).to_be_visible()
    expect(owner_page.get_by_role("heading", name="Is it the same merchant?")).to_have_count(0)


@pytest.mark.parametrize("confirmed", [False, True], ids=["new", "confirmed"])
def test_nobody_is_asked_about_another_name_that_a_rule_blocks(owner_page: Page, desk: Desk, confirmed: bool) -> None:
    """Whether or not it was confirmed before, in whatever words it comes."""
    merchant, billed, buyer, owner = unique("Zoom"), unique("Videocalls"), desk.roony.buyer(), desk.roony.owner
    bought = buyer.buy(5_300, merchant)
    if confirmed:
        owner.send("POST", "/api/v1/admin/merchants/aliases", {"merchant": merchant, "alias": billed})
    rule = {"scope": "agent", "scope_id": buyer.id, "controls": {"blocked_merchants": [billed]}}
    owner.send("PUT", "/api/v1/admin/controls", rule)
    assert not desk.roony.charge(bought.stripe_card, 5_300, f"{billed.upper()} Springfield").approved
    desk.roony.settle()
    owner_page.goto(f"{desk.url}/purchases/{bought.id}")
    expect(owner_page.get_by_text("Another merchant asked for the payment")).to_be_visible()
    expect(owner_page.get_by_role("heading", name="Is it the same merchant?")).to_have_count(0)


def test_a_discrepancy_offers_to_learn_a_name_until_a_rule_blocks_it(owner_page: Page, desk: Desk) -> None:
    billed = unique("Videocalls").replace(" ", "_")
    payer = Payer(desk.roony, {"merchant_lock": "monitor"})
    payer.play(f"pay 5000 name={billed}")
    found = desk.roony.owner.get("/api/v1/admin/discrepancies", params={"limit": 200})["data"]
    [id] = [one["id"] for one in found if one["purchase_id"] == payer.bought.id]
    owner_page.goto(f"{desk.url}/discrepancies/{id}")
    expect(owner_page.get_by_label("It is the approved merchant under another name")).to_be_visible()
    controls = {"merchant_lock": "monitor", "blocked_merchants": [billed]}
    rule = {"scope": "agent", "scope_id": payer.buyer.id, "controls": controls}
    desk.roony.owner.send("PUT", "/api/v1/admin/controls", rule)
    look_again(owner_page)
    expect(owner_page.get_by_role("button", name="Settle it")).to_be_visible()
    expect(owner_page.get_by_label("It is the approved merchant under another name")).to_have_count(0)
