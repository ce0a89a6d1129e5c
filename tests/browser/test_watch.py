"""What a person watches, in a browser: discrepancies are settled, events replayed, the audit chain is verified."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from roony.cli.audit import verify_file
from roony.core.alert import Alert, alert_id
from roony.core.merchant import alias_of
from roony.store.inbox import new_event
from roony.store.rows import InboxEvent
from roony.store.statements import write_row
from roony.store.tables import TABLE_OF
from roony.web.admin_api.events import REPLAY_LIMIT
from roony.web.dashboard.view import ROWS
from tests.support.desk import Desk
from tests.support.looking import PHONE, WIDE, looks_right
from tests.support.payer import Payer
from tests.support.served import until

HOSTILE = "QUICK<svg/onload=alert(1)>"


def confirm(page: Page) -> None:
    page.get_by_role("button", name="Yes", exact=True).click()


def dead_events(page: Page, desk: Desk, count: int) -> str:
    """So many events of the company whose owner looks, of a type that Roony has no use for; returns the company."""
    organization = str(page.request.get(f"{desk.url}/api/v1/admin/organization").json()["id"])
    with sqlite3.connect(desk.roony.folder / "roony.db", timeout=30) as database:
        for number in range(count):
            at = desk.roony.now() * 1_000_000 + number
            event = new_event(
                f"evt_{organization}_{number}", None, False, "charge.updated", f"ch_{number}", at // 1_000_000,
                b'{"id": "<script>alert(1)</script>"}', at,
            )  # fmt: skip
            dead = event._replace(organization_id=organization, status="dead", reason="broken", failures=12)
            database.execute(write_row(TABLE_OF[InboxEvent], "sqlite"), dead)
    return organization


def test_another_name_of_a_merchant_is_settled_and_learned(owner_page: Page, desk: Desk) -> None:
    page, dialogs = owner_page, []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    payer = Payer(desk.roony, {"merchant_lock": "monitor"})
    payer.play(f"pay 5000 name={HOSTILE}")
    page.get_by_role("link", name="Discrepancies").click()
    page.get_by_label("Kind").select_option("merchant_mismatch")
    page.get_by_role("button", name="Show").click()
    row = page.get_by_role("row").filter(has_text=payer.merchant)
    expect(row).to_contain_text(HOSTILE)
    bought = row.get_by_role("link", name=f"at {payer.merchant}")
    expect(bought).to_have_attribute("href", f"/purchases/{payer.bought.id}")
    row.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Merchant mismatch")
    expect(page.locator(".untrusted")).to_contain_text(HOSTILE)
    page.get_by_label("What did you find out?").fill("The same shop")
    page.get_by_label("It is the approved merchant under another name").check()
    page.get_by_role("button", name="Settle it").click()
    expect(page.locator("main .status")).to_have_text("Resolved")
    expect(page.get_by_text("The same shop")).to_be_visible()
    merchants = desk.roony.owner.get("/api/v1/admin/merchants", params={"limit": 200})["data"]
    assert [
        alias_of(HOSTILE, noise=("US",)) in merchant["aliases"]
        for merchant in merchants
        if merchant["name"] == payer.merchant
    ] == [True]
    page.goto(f"{desk.url}/discrepancies")
    expect(page.get_by_role("row").filter(has_text=payer.merchant)).to_have_count(0)
    assert dialogs == []


def test_a_refund_is_given_to_its_purchase(owner_page: Page, desk: Desk) -> None:
    page, other = owner_page, Payer(desk.roony, {})
    other.play("pay 5000, capture 5000")
    payer = Payer(desk.roony, {})
    payer.play("pay 5000, capture 2000, refund 2000, unlinked 2000")
    page.goto(f"{desk.url}/discrepancies?kind=unmatched_refund")
    page.get_by_role("row").filter(has_text=payer.merchant).get_by_role("link").first.click()
    expect(page.locator(".untrusted")).to_contain_text("20.00 USD by")
    expect(page.locator(f"datalist option[value='{other.bought.id}']")).to_have_count(1)
    page.get_by_label("What did you find out?").fill("They paid it to the wrong card")
    page.get_by_label("The purchase it gives money back for").fill("pur_unknown")
    page.get_by_role("button", name="Settle it").click()
    expect(page.locator(".wrong:visible, .trouble:visible")).to_have_count(1)
    page.get_by_label("The purchase it gives money back for").fill(other.bought.id)
    page.get_by_role("button", name="Settle it").click()
    expect(page.locator("main .status")).to_have_text("Resolved")
    until(lambda: desk.roony.purchase(other.bought.id)["refunded_amount"], 2_000)


def test_an_alert_is_seen_to_and_all_dead_events_are_handled_again_in_parts(page: Page, desk: Desk) -> None:
    """More of them than one call takes up."""
    desk.company(page)
    organization = dead_events(page, desk, REPLAY_LIMIT + 5)
    with sqlite3.connect(desk.roony.folder / "roony.db", timeout=30) as database:
        at = desk.roony.now() * 1_000_000
        about = alert_id("connection_restricted", "acct_1")
        words = (organization, about, "connection_restricted", "acct_1", "open", HOSTILE, 1, None, at, at, None)
        database.execute(write_row(TABLE_OF[Alert], "sqlite"), Alert(*words))
    page.goto(f"{desk.url}/alerts")
    expect(page.locator("main")).to_contain_text(HOSTILE)
    page.get_by_role("button", name="I have seen to it").click()
    expect(page.get_by_text("No alerts.")).to_be_visible()
    expect(page.locator("#menu .count")).to_have_count(0)
    page.goto(f"{desk.url}/alerts?status=closed")
    expect(page.locator("main")).to_contain_text(HOSTILE)
    page.goto(f"{desk.url}/events?status=dead")
    page.get_by_role("link", name="charge.updated").first.click()
    expect(page.locator("pre")).to_contain_text("<script>alert(1)</script>")
    page.get_by_role("button", name="Handle it again").click()
    expect(page.get_by_role("button", name="Handle it again")).to_have_count(0)
    page.goto(f"{desk.url}/events?status=dead")
    page.get_by_role("button", name="Handle all that are dead again").click()
    confirm(page)
    expect(page.get_by_text("No events here.")).to_be_visible()
    page.goto(f"{desk.url}/audit?action=event.replayed")
    expect(page.get_by_role("link", name="Next page")).to_be_visible()


def test_a_list_leads_back_with_its_filter_and_by_the_keyboard(open_page: Callable[..., Page], desk: Desk) -> None:
    """On a desktop and on a phone: to the page before, and from anywhere to the first."""
    page = open_page(reduced_motion="reduce")
    desk.company(page)
    dead_events(page, desk, 2 * ROWS + 5)
    top, filtered = page.locator("tbody tr .id").first, f"{desk.url}/events?status=dead"
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.goto(filtered)
        pager = page.get_by_role("navigation", name="Pages of this list")
        expect(pager.get_by_role("link")).to_have_text(["Next page"])
        for first_row in (ROWS + 4, 4):
            pager.get_by_role("link", name="Next page").press("Enter")
            expect(top).to_have_text(f"ch_{first_row}")
        expect(pager.get_by_role("link")).to_have_text(["First page", "Previous page"])
        pager.get_by_role("link", name="First page").focus()
        page.keyboard.press("Tab")
        expect(pager.get_by_role("link", name="Previous page")).to_be_focused()
        page.keyboard.press("Enter")
        expect(top).to_have_text(f"ch_{ROWS + 4}")
        expect(pager.get_by_role("link")).to_have_text(["First page", "Previous page", "Next page"])
        if size == WIDE:
            looks_right(page, "events further")
            page.set_viewport_size(size)  # type: ignore[arg-type]
        pager.get_by_role("link", name="First page").press("Enter")
        expect(top).to_have_text(f"ch_{2 * ROWS + 4}")
        expect(page).to_have_url(filtered)


def test_alerts_keep_their_places_while_somebody_points_at_one(open_page: Callable[..., Page], desk: Desk) -> None:
    """What is over stays there, says so, and has no button any more, until the hand is gone."""
    page = open_page(reduced_motion="reduce")
    desk.company(page)
    organization = page.request.get(f"{desk.url}/api/v1/admin/organization").json()["id"]
    at = desk.roony.now() * 1_000_000
    ids = [alert_id("connection_restricted", account) for account in ("acct_1", "acct_2")]
    with sqlite3.connect(desk.roony.folder / "roony.db", timeout=30) as database:
        for number, id in enumerate(ids):
            about = (
                organization,
                id,
                "connection_restricted",
                f"acct_{number}",
                "open",
                "Cards cannot be made now.",
                1,
                None,
            )
            database.execute(write_row(TABLE_OF[Alert], "sqlite"), Alert(*about, at, at - number, None))
    page.goto(f"{desk.url}/alerts")
    looks_right(page, "alerts open")
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    first, second = (page.locator("[data-row]").filter(has_text=f"acct_{number}") for number in range(2))
    button = first.get_by_role("button", name="I have seen to it")
    button.hover()
    places = [first.bounding_box(), second.bounding_box()]
    headers = {"X-Roony-CSRF": page.locator("meta[name=csrf]").get_attribute("content") or ""}
    for id in ids:
        assert page.request.post(f"{desk.url}/api/v1/admin/alerts/{id}/close", headers=headers).ok
    for row in (first, second):
        expect(row.locator("[data-became]")).to_contain_text("This is over")
        expect(row.get_by_role("button", name="I have seen to it")).to_be_disabled()
    assert [first.bounding_box(), second.bounding_box()] == places
    page.get_by_role("heading", level=1).hover()
    expect(page.get_by_text("No alerts.")).to_be_visible()


def test_the_audit_chain_is_verified_and_taken_away(page: Page, desk: Desk, tmp_path: Path) -> None:
    desk.company(page)
    page.goto(f"{desk.url}/audit")
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_role("status").filter(has_text="The chain is whole")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    file = tmp_path / "audit.jsonl"
    download.value.save_as(file)
    verdict = verify_file(file)
    assert (verdict.problem, verdict.head_known, verdict.records > 0) == (None, True, True)
    page.get_by_label("Action").fill("organization.created")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody summary").click()
    expect(page.locator("tbody")).to_contain_text("Time zone")
