"""Deciding in a browser: the live queue, several at once, two people, by keyboard alone, and what agents write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.desk import PASSWORD, Desk, look_again
from tests.support.served import Buyer, unique

EVIL = '"><script>window.ran = 1</script><img src=x onerror="window.ran=1">'
LIMIT, TWO = 5_000, 100_000


@pytest.fixture
def buyer(desk: Desk) -> Buyer:
    """An agent of whom a person is asked above 50 USD, and two above 1,000 USD."""
    controls = {"approval_threshold": LIMIT, "second_approval_threshold": TWO}
    return desk.roony.buyer(name=f"Ada {EVIL}"[:60], controls=controls)


def ask(buyer: Buyer, amount: int = 9_900, merchant: str = "", **more: Any) -> tuple[dict[str, Any], str]:
    """A purchase that waits for people, and the id of its approval."""
    purchase = buyer.ask(amount, merchant or unique("Figma"), **more)
    assert purchase["status"] == "awaiting_approval", purchase
    return purchase, purchase["approval"]["id"]


def press(card: Locator, word: str) -> None:
    """Presses a button of one approval."""
    card.get_by_role("button", name=word).click()


def test_the_queue_and_the_history(open_page: Callable[..., Page], desk: Desk, buyer: Buyer) -> None:
    """What is asked comes up by itself; a yes gives the agent its card, for the amount that was agreed to."""
    page = open_page()
    desk.sign_in(page, desk.person("approver"), "/approvals")
    first, id = ask(buyer, 9_900)
    card = page.locator(f"#{id}")
    expect(card.get_by_role("heading", level=2)).to_contain_text("asks for 99.00 USD")
    expect(card).to_contain_text("nothing was bought there before")
    expect(card.locator(".left")).to_contain_text("min")
    press(card, "Approve")
    outcomes = page.locator("#outcomes")
    expect(outcomes).to_contain_text("Approved.")
    expect(card).to_have_count(0)
    # Where others wait, the hand would be on the next one, and nothing new is drawn above or below it.
    page.mouse.move(0, 0)
    ready = buyer.purchase(first["id"], wait=10)
    assert (ready["status"], ready["amount"], ready["card"]["last4"].isdigit()) == ("ready", 9_900, True)

    cheaper, id = ask(buyer, 20_000)
    card = page.locator(f"#{id}")
    card.get_by_label("Amount in USD").fill("12,50")
    press(card, "Approve")
    expect(card.locator("[data-error-for=amount]")).to_have_text("It must be an amount such as 49.99.")
    card.get_by_label("Amount in USD").fill("150")
    press(card, "Approve")
    expect(card).to_have_count(0)
    page.mouse.move(0, 0)
    assert buyer.purchase(cheaper["id"], wait=10)["amount"] == 15_000

    denied, id = ask(buyer, 30_000)
    card = page.locator(f"#{id}")
    card.get_by_label("Note").fill("too <b>dear</b>")
    press(card, "Deny")
    expect(outcomes).to_contain_text("Denied.")
    assert buyer.purchase(denied["id"])["status"] == "declined"
    page.get_by_role("link", name="Denied").click()
    row = page.get_by_role("row").filter(has_text="300.00 USD").filter(has_text="too <b>dear</b>").first
    row.get_by_role("link").click()
    expect(page.get_by_role("article")).to_contain_text("Decided by")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)


def test_a_late_click_says_what_happened(open_page: Callable[..., Page], desk: Desk, buyer: Buyer) -> None:
    """On a page that heard of nothing. Enter in a field decides nothing: only a button does."""
    page = open_page()
    page.route("**/api/v1/admin/stream", lambda route: route.fulfill(status=204))
    _, id = ask(buyer)
    desk.sign_in(page, desk.person("approver"), f"/approvals/{id}")
    note = page.get_by_label("Note")
    note.fill("no budget")
    note.press("Enter")
    desk.roony.owner.send("POST", f"/api/v1/admin/approvals/{id}/deny", {"note": "too dear"})
    press(page.get_by_role("article"), "Approve")
    outcomes = page.locator("#outcomes li")
    expect(outcomes).to_have_count(1)
    expect(outcomes).to_contain_text("already denied by")
    expect(outcomes).to_contain_text("too dear")
    expect(page.locator(".decided")).to_contain_text("too dear")


def test_several_at_once_by_keyboard(open_page: Callable[..., Page], desk: Desk, buyer: Buyer) -> None:
    """Each ends in its own way, and is told so."""
    asked = [ask(buyer, amount) for amount in (6_100, 6_200, 6_300)]
    page = open_page()
    desk.sign_in(page, desk.person("approver"), "/approvals")
    for _, id in asked[:2]:
        page.locator(f"#{id}").get_by_role("checkbox").focus()
        page.keyboard.press("Space")
    expect(page.locator("#chosen")).to_have_text("2 purchases, 123.00 USD in all")
    page.get_by_role("button", name="Approve chosen").focus()
    # What is chosen stays chosen when the page is drawn again for somebody else's word.
    desk.roony.owner.send("POST", f"/api/v1/admin/approvals/{asked[2][1]}/deny", {})
    expect(page.locator(f"#{asked[2][1]}")).to_have_count(0)
    expect(page.locator("#chosen")).to_have_text("2 purchases, 123.00 USD in all")
    page.get_by_role("button", name="Approve chosen").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Approve 2 purchases, 123.00 USD in all?")
    desk.roony.owner.send("POST", f"/api/v1/admin/approvals/{asked[1][1]}/deny", {})
    dialog.get_by_role("button", name="Yes").focus()
    page.keyboard.press("Enter")
    lines = page.locator("#outcomes li")
    expect(lines.filter(has_text="61.00 USD")).to_contain_text("Approved.")
    expect(lines.filter(has_text="62.00 USD")).to_contain_text("already denied by")
    expect(page.locator("#outcomes")).to_be_focused()
    assert buyer.purchase(asked[0][0]["id"], wait=10)["status"] == "ready"


def test_nothing_slips_under_the_hand_of_who_decides(open_page: Callable[..., Page], desk: Desk, buyer: Buyer) -> None:
    """While somebody points at one, what is over stays where it was and what is new is only told."""
    (_, first), (_, second) = ask(buyer, 6_400), ask(buyer, 6_500)
    page = open_page()
    desk.sign_in(page, desk.person("approver"), "/approvals")
    card, below = page.locator(f"#{first}"), page.locator(f"#{second}")
    card.get_by_role("button", name="Approve").hover()
    place = below.bounding_box()
    desk.roony.owner.send("POST", f"/api/v1/admin/approvals/{first}/deny", {"note": "too dear"})
    _, third = ask(buyer, 6_600)
    expect(card.locator("[data-became]")).to_contain_text("too dear")
    expect(card.get_by_role("button", name="Approve")).to_be_disabled()
    expect(page.locator("#news")).to_contain_text("1 new")
    expect(page.locator(f"#{third}")).to_have_count(0)
    assert below.bounding_box() == place
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(f"#{third}")).to_be_visible()
    expect(card).to_have_count(0)
    expect(page.locator("#news")).to_be_hidden()


def test_two_people_and_the_link(open_page: Callable[..., Page], desk: Desk, buyer: Buyer) -> None:
    """The link in a message asks who it does not know to sign in, and leads approvers on to the approval."""
    purchase, id = ask(buyer, TWO + 1)
    ann, ben = desk.person("approver", "Ann"), desk.person("admin", "Ben")
    page = open_page()
    page.goto(f"{desk.url}/approve/{id}")
    expect(page.get_by_role("link", name="sign in")).to_have_attribute("href", f"/sign-in?next=%2Fapprove%2F{id}")
    desk.sign_in(page, ann, f"/approve/{id}")
    expect(page).to_have_url(f"{desk.url}/approvals/{id}")
    press(page.get_by_role("article"), "Approve")
    expect(page.locator("#outcomes")).to_contain_text("Another person must agree to the same amount")
    expect(page.get_by_role("article")).to_contain_text("The first yes was yours.")
    other = open_page()
    desk.sign_in(other, ben, f"/approve/{id}")
    expect(other.get_by_role("article")).to_contain_text("1 of 2 said yes: Ann agreed to 1,000.01 USD.")
    press(other.get_by_role("article"), "Approve")
    expect(other.get_by_role("article")).to_contain_text("Decided byBen")
    assert buyer.purchase(purchase["id"], wait=10)["status"] == "ready"
    viewer = open_page()
    desk.sign_in(viewer, desk.person("viewer"), f"/approve/{id}")
    expect(viewer.get_by_label("Your key")).to_be_visible()


def test_what_agents_write_is_only_ever_text(open_page: Callable[..., Page], desk: Desk, buyer: Buyer) -> None:
    """Script injection through every field an agent has; and no sideways scrolling on a phone."""
    url = f"https://shop.example/{EVIL}".replace(" ", "%20")
    shop = {"name": EVIL, "url": url, "category": "computer_software_stores", "country": "US"}
    wish = {
        "amount": 7_700, "currency": "usd", "merchant": shop, "description": EVIL * 3, "metadata": {EVIL[:40]: EVIL},
        "task_id": EVIL[:60],
    }  # fmt: skip
    id = buyer.api.send("POST", "/api/v1/purchase_intents", wish, 201)["approval"]["id"]
    page = open_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    desk.sign_in(page, desk.person("approver"), "/")
    for path in ("/", "/approvals", f"/approvals/{id}"):
        page.goto(f"{desk.url}{path}")
        if path != "/":
            expect(page.locator(f"#{id} blockquote")).to_have_text(EVIL * 3)
            expect(page.locator(f"#{id} .quoted dt")).to_have_text(EVIL[:40])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate("typeof window.ran") == "undefined", path
    press(page.locator(f"#{id}"), "Deny")
    expect(page.locator("#outcomes")).to_contain_text(f"77.00 USD at “{EVIL}”: Denied.")
    page.goto(f"{desk.url}/approvals?status=denied")
    expect(page.get_by_role("cell", name=EVIL).first).to_be_visible()
    assert page.evaluate("typeof window.ran") == "undefined"


def test_a_card_is_revealed_and_hides_itself(open_page: Callable[..., Page], desk: Desk) -> None:
    """By session: no key, not by somebody without the right, and a minute later the page has no number any more."""
    buyer = desk.roony.buyer(name=(agent := unique("Shopper")))
    purchase = buyer.ask(2_000, unique("Figma"))

    def link() -> str:
        path = f"/api/v1/purchase_intents/{purchase['id']}/card"
        answer = buyer.api.send("POST", path, {"delivery": "reveal", "purpose": EVIL})
        return str(answer["url"]).replace("127.0.0.1", "localhost")

    address = link()
    page = open_page()
    page.clock.install()
    desk.sign_in(page, desk.person("viewer"))
    page.goto(address)
    expect(page.get_by_label("Your admin key")).to_be_visible()
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("E-mail address").fill(desk.person("approver").email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).first.click()
    expect(page).to_have_url(address)
    expect(page.get_by_label("Your admin key")).to_have_count(0)
    page.get_by_role("button", name="Show the card once").click()
    expect(page.locator("#card .number")).to_have_text(purchase["card"]["number"])
    expect(page.get_by_text(EVIL)).to_be_visible()
    expect(page.get_by_text(agent)).to_be_visible()
    assert page.evaluate("typeof window.ran") == "undefined"
    expect(page.locator("#left")).to_contain_text("Hidden in")  # its script runs after the page is shown
    page.clock.run_for(61_000)
    expect(page.locator("#card")).to_have_count(0)
    expect(page.locator("#gone")).to_be_visible()
    page.goto(link())
    page.get_by_role("button", name="Show the card once").click()
    page.get_by_role("button", name="Hide now").press("Enter")
    expect(page.locator("#card")).to_have_count(0)
    look_again(page)
    expect(page.get_by_role("heading")).to_have_text("This link no longer works")
