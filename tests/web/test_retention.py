"""What retention removed is said to be gone wherever somebody looks for it; the rest is there as ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from roony.cli.commands import app
from roony.core.purchase import Purchase
from roony.core.receipt import Receipt, receipt_of
from roony.store.inbox import new_event
from tests.support.serving import Company, ServedRoony
from tests.web.conftest import signed_in, waiting

ADMIN = "/api/v1/admin"
# 2026-11-20 12:00 UTC.
NOON = 1_795_176_000_000_000
NOON_TEXT = "2026-11-20T12:00:00.000000Z"
GONE = "removed by retention on 2026-11-20"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.fixture
def event_id(roony: ServedRoony, company: Company) -> str:
    """An event whose body is gone."""
    id = roony.context.new_id("evt")
    row = new_event(id, None, False, "issuing_card.updated", "ic_1", NOON // 1_000_000, b"", NOON)
    roony.books.put(
        row._replace(
            organization_id=company.id, status="applied", finished_at=NOON, payload_sha256=DIGEST,
            payload_removed_at=NOON,
        )
    )  # fmt: skip
    return id


@pytest.fixture
def receipt(roony: ServedRoony, company: Company) -> Receipt:
    """A receipt whose file is gone."""
    _, asked = waiting(roony, company)
    purchase = roony.books.row(Purchase, organization_id=company.id, id=asked["id"])
    row = receipt_of(company.id, purchase.id, purchase.agent_id, "text/plain", b"paid")
    row = row._replace(created_at=NOON, content_removed_at=NOON)
    roony.books.put(row)
    return row


def page(roony: ServedRoony, company: Company, path: str, role: str = "owner") -> str:
    with signed_in(roony, company, role) as browser:
        answer: httpx2.Response = browser.get(path)
        assert answer.status_code == 200
        return answer.text


def test_the_page_of_an_event_says_when_its_body_went_and_what_its_hash_was(
    roony: ServedRoony, company: Company, event_id: str
) -> None:
    shown = page(roony, company, f"/events/{event_id}")
    assert f"Payload {GONE}. Its SHA-256 was {DIGEST}." in shown
    assert DIGEST not in page(roony, company, f"/events/{event_id}", "viewer")
    assert company.owner.get(f"{ADMIN}/events/{event_id}")["payload_removed_at"] == NOON_TEXT


def test_an_event_that_has_its_body_shows_it(roony: ServedRoony, company: Company) -> None:
    id = roony.context.new_id("evt")
    row = new_event(id, None, False, "issuing_card.updated", "ic_1", 1, b'{"id": "here"}', NOON)
    roony.books.put(row._replace(organization_id=company.id, status="applied", finished_at=NOON))
    shown = page(roony, company, f"/events/{id}")
    assert "&#34;id&#34;: &#34;here&#34;" in shown
    assert "removed" not in shown
    assert company.owner.get(f"{ADMIN}/events/{id}")["payload_removed_at"] is None


def test_the_file_of_a_receipt_is_refused_with_the_day(
    roony: ServedRoony, company: Company, receipt: Receipt, tmp_path: Path
) -> None:
    error = company.owner.refused(410, "GET", f"{ADMIN}/receipts/{receipt.id}/content")
    assert (error["code"], error["message"]) == ("content_removed", f"The file was {GONE}.")
    shown = company.owner.get(f"{ADMIN}/receipts/{receipt.id}")
    assert (shown["content_removed_at"], shown["sha256"]) == (NOON_TEXT, receipt.sha256)
    environment = {"ROONY_URL": roony.url, "ROONY_ADMIN_KEY": company.owner.key or ""}
    out = tmp_path / "receipt.txt"
    said = CliRunner().invoke(app, ["receipt", "get", receipt.id, "--out", str(out)], env=environment)
    assert said.exit_code == 1
    assert GONE in " ".join(said.output.split())
    assert not out.exists()


def test_the_timeline_of_a_purchase_offers_no_file_that_is_gone(
    roony: ServedRoony, company: Company, receipt: Receipt
) -> None:
    shown = page(roony, company, f"/purchases/{receipt.purchase_id}")
    assert f"The file was {GONE}." in shown
    assert f"/receipts/{receipt.id}/content" not in shown
    roony.books.put(receipt._replace(content_removed_at=None))
    assert f"/receipts/{receipt.id}/content" in page(roony, company, f"/purchases/{receipt.purchase_id}", "viewer")


def test_evidence_and_export_say_so(roony: ServedRoony, company: Company, event_id: str, receipt: Receipt) -> None:
    bundle = company.owner.get(f"{ADMIN}/purchases/{receipt.purchase_id}/evidence")
    assert [row["content_removed_at"] for row in bundle["receipts"]] == [NOON_TEXT]

    def exported(table: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = company.owner.get(f"{ADMIN}/export/rows", params={"table": table})["data"]
        return rows

    [event] = [row for row in exported("inbox") if row["id"] == event_id]
    assert (event["payload"], event["payload_sha256"], event["payload_removed_at"]) == ("", DIGEST, NOON)
    [row] = [row for row in exported("receipts") if row["id"] == receipt.id]
    assert row["content_removed_at"] == NOON
