"""Reports in a browser: what was spent, in the chosen groups, and the same taken away as files."""

from __future__ import annotations

import csv
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.desk import Desk
from tests.support.payer import Payer


def test_what_was_spent_is_shown_and_taken_away(owner_page: Page, desk: Desk, tmp_path: Path) -> None:
    page, payer = owner_page, Payer(desk.roony, {})
    payer.play("pay 5000, capture, refund 1200")
    page.get_by_role("link", name="Reports").click()
    page.locator("select[name=by]").select_option("merchant")
    # The hour before midnight may belong to another day than the one after.
    page.get_by_label("From").fill("2026-01-01")
    page.get_by_role("button", name="Show").click()
    row = page.get_by_role("row").filter(has_text=payer.merchant)
    expect(row).to_contain_text("38.00 USD")

    spent = downloaded(page, "These sums as CSV", tmp_path)
    assert [row["spent"] for row in spent if row["name"] == payer.merchant] == ["38.00"]
    journal = downloaded(page, "Accounting journal (CSV)", tmp_path)
    debits = [row["debit"] for row in journal if row["merchant"] == payer.merchant and row["account"] == "Purchases"]
    assert sorted(debits) == ["-12.00", "50.00"]


def downloaded(page: Page, link: str, folder: Path) -> list[dict[str, str]]:
    """The lines of the file behind a link."""
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
