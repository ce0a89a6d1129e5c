"""Reports are what the books say: the same sums as entries and budgets, in every grouping, as JSON and as files."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from roony.store.database import Database
from roony.store.tables import entries
from tests.support.payer import Payer
from tests.support.served import Simulation, unique

SPEND, JOURNAL = "/api/v1/admin/reports/spend", "/api/v1/admin/reports/journal"


def days(roony: Simulation) -> dict[str, str]:
    """From yesterday to tomorrow, for a test that runs at midnight."""
    now = datetime.fromtimestamp(roony.now(), UTC).date()
    return {"since": str(now - timedelta(days=1)), "until": str(now + timedelta(days=1))}


def lines(roony: Simulation, path: str, **asked: str) -> list[dict[str, Any]]:
    """The lines of a file."""
    answer = roony.owner.call("GET", path, params={**days(roony), **asked})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_every_grouping_sums_to_what_entries_and_budgets_say(roony: Simulation) -> None:
    first, second = Payer(roony, {}, unique("=Figma")), Payer(roony, {})
    first.play("pay 5000, capture, refund 1200")
    second.play("pay 5000, capture 3000, force 700")
    asked = days(roony)
    database = Database(roony.database_url)
    try:
        [[in_books]] = database.read(select(func.sum(entries.c.spent)))
    finally:
        database.close()
    assert in_books == 3_800 + 3_700
    reports = {
        by: roony.owner.get(SPEND, params={**asked, "by": by})
        for by in ("agent", "project", "merchant", "category", "month")
    }
    for by, report in reports.items():
        assert sum(row["spent_amount"] for row in report["rows"]) == in_books, by
        assert [total["spent_amount"] for total in report["totals"]] == [in_books], by
        assert report["unmatched"] == []
    for by in ("agent", "project"):
        found = {row["id"]: row["spent_amount"] for row in reports[by]["rows"]}
        ids = [getattr(payer.buyer, "id" if by == "agent" else "project_id") for payer in (first, second)]
        assert found == {id: roony.standing(id)[1] for id in ids}
    merchants = [(row["name"], row["captured_amount"], row["refunded_amount"]) for row in reports["merchant"]["rows"]]
    assert merchants == [(first.merchant, 5_000, 1_200), (second.merchant, 3_700, 0)]
    assert [row["name"] for row in reports["category"]["rows"]] == ["computer_software_stores"]

    # The same as a file; what would be a formula is a text, a number is a number.
    written = lines(roony, SPEND, by="merchant", format="csv")
    assert [(row["name"], row["spent"]) for row in written] == [
        (f"'{first.merchant}", "38.00"),
        (second.merchant, "37.00"),
    ]

    journal = lines(roony, JOURNAL)
    sides = {side: sum(Decimal(row[side] or "0") for row in journal) for side in ("debit", "credit")}
    assert sides == {"debit": Decimal("75.00"), "credit": Decimal("75.00")}
    by_purchase: dict[str, list[str]] = defaultdict(list)
    for row in journal:
        if row["account"] == "Purchases":
            by_purchase[row["purchase"]].append(row["debit"])
    # Stripe tells whole seconds: what comes first in one is not known.
    said = {id: sorted(amounts) for id, amounts in by_purchase.items()}
    assert said == {first.bought.id: ["-12.00", "50.00"], second.bought.id: ["30.00", "7.00"]}
    assert {row["merchant"] for row in journal} == {f"'{first.merchant}", second.merchant}
    assert len({row["transaction"] for row in journal}) * 2 == len(journal) == 8
