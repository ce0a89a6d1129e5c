"""Reports over rows laid down: months in the owner's zone, what belongs to no purchase, many groups, pages, days."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime

import httpx2
import pytest

from roony.core.card import Card
from roony.core.purchase import Purchase
from roony.core.settlement import StripeTransaction, belonging
from roony.store.queries import spending
from roony.web import spending_report
from roony.web.admin_api import reports
from tests.core.rows import row as row_of
from tests.support.serving import Company, ServedRoony
from tests.web.conftest import waiting

SPEND, JOURNAL = "/api/v1/admin/reports/spend", "/api/v1/admin/reports/journal"
YEAR = {"since": "2026-01-01", "until": "2026-12-31"}


def booked(
    roony: ServedRoony, company: Company, purchase_id: str | None, at: str, amount: int, kind: str = "capture",
    card: str = "ic_1",
) -> None:  # fmt: skip
    """One capture or refund as Stripe booked it at this time, such as 2026-03-01T00:30."""
    moment = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) * 1_000_000
    merchant = '{"name": "FIGMA", "category": "5734"}'
    row = StripeTransaction(
        company.id, roony.context.new_id("ipi"), "con_1", None, None, card, kind, amount, "usd", amount, "usd",
        merchant, None, moment, moment, category="5734",
    )  # fmt: skip
    known = roony.books.row(Purchase, organization_id=company.id, id=purchase_id) if purchase_id is not None else None
    roony.books.put(belonging(row, known, "card"))


def purchase_of(roony: ServedRoony, company: Company, **fields: str) -> str:
    """One more purchase of the company."""
    _, asked = waiting(roony, company)
    row = roony.books.row(Purchase, organization_id=company.id, id=asked["id"])
    row = row._replace(id=roony.context.new_id("pur"), approval_id=None, **fields)
    roony.books.put(row)
    return row.id


def test_months_are_those_of_the_organization(roony: ServedRoony) -> None:
    company = roony.company(time_zone="America/New_York")
    id = purchase_of(roony, company)
    booked(roony, company, id, "2026-03-01T04:30", 1_000)  # still February there
    booked(roony, company, id, "2026-03-01T05:30", 2_000)
    booked(roony, company, id, "2026-04-20T00:00", 500, "refund")
    report = company.owner.get(SPEND, params={"by": "month", **YEAR})
    assert report["time_zone"] == "America/New_York"
    assert [(row["id"], row["spent_amount"]) for row in report["rows"]] == [
        ("2026-02", 1_000), ("2026-03", 2_000), ("2026-04", -500),
    ]  # fmt: skip
    assert [row["purchases"] for row in report["totals"]] == [1]
    one_day = company.owner.get(SPEND, params={"since": "2026-02-28", "until": "2026-02-28"})
    assert [row["spent_amount"] for row in one_day["rows"]] == [1_000]


def test_what_belongs_to_no_purchase_is_summed_apart_and_stands_in_the_journal(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "JOURNAL_PAGE", 2)
    id = purchase_of(roony, company)
    for minute in range(3):
        booked(roony, company, id, f"2026-05-01T00:0{minute}", 100 + minute)
    card = row_of(Card, organization_id=company.id, id="crd_1", connection_id="con_1", stripe_card_id="ic_1")
    roony.books.put(card)
    booked(roony, company, None, "2026-05-02T00:00", 40, "refund")
    report = company.owner.get(SPEND, params={"by": "agent", **YEAR})
    assert [row["spent_amount"] for row in report["totals"]] == [303]
    assert [row["spent_amount"] for row in report["unmatched"]] == [-40]
    text = company.owner.call("GET", JOURNAL, params=YEAR).text
    lines = [(row["date"], row["account"], row["debit"], row["credit"]) for row in csv.DictReader(io.StringIO(text))]
    assert lines[:2] == [("2026-05-01", "Purchases", "1.00", ""), ("2026-05-01", "Stripe Issuing balance", "", "1.00")]
    assert lines[-2:] == [
        ("2026-05-02", "Not matched to a purchase", "-0.40", ""), ("2026-05-02", "Stripe Issuing balance", "", "-0.40"),
    ]  # fmt: skip
    assert len(lines) == 8


def test_money_of_cards_that_roony_did_not_make_is_in_no_report_either_way(
    roony: ServedRoony, company: Company
) -> None:
    """What was paid with them is not in the books: what came back would stand there as if it were earned."""
    booked(roony, company, None, "2026-05-02T00:00", 40, "refund", card="ic_of_somebody")
    report = company.owner.get(SPEND, params={"by": "agent", **YEAR})
    assert (report["totals"], report["unmatched"]) == ([], [])
    assert company.owner.get(SPEND, params={"by": "month", **YEAR})["unmatched"] == []
    assert len(company.owner.call("GET", JOURNAL, params=YEAR).text.splitlines()) == 1
    # Assigned to a purchase it is money that came back of it.
    booked(roony, company, purchase_of(roony, company), "2026-05-02T00:00", 30, "refund", card="ic_of_somebody")
    report = company.owner.get(SPEND, params={"by": "month", **YEAR})
    assert [row["spent_amount"] for row in report["totals"]] == [-30]
    assert len(company.owner.call("GET", JOURNAL, params=YEAR).text.splitlines()) == 3


def test_more_groups_than_are_shown_are_one_more(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spending, "MOST_GROUPS", 2)
    for amount, merchant in ((500, "figma"), (300, "linear"), (20, "miro"), (1, "slack")):
        booked(roony, company, purchase_of(roony, company, merchant_key=merchant), "2026-06-01T00:00", amount)
    rows = company.owner.get(SPEND, params={"by": "merchant", **YEAR})["rows"]
    assert [(row["id"], row["spent_amount"]) for row in rows] == [("figma", 500), ("linear", 300), (None, 21)]
    assert rows[-1]["name"] == "all others"


def test_nothing_of_another_organization_is_in_a_report(roony: ServedRoony, company: Company) -> None:
    neighbour = roony.company()
    booked(roony, neighbour, purchase_of(roony, neighbour), "2026-06-01T00:00", 900)
    report = company.owner.get(SPEND, params={"by": "agent", **YEAR})
    assert (report["rows"], report["totals"]) == ([], [])
    assert len(company.owner.call("GET", JOURNAL, params=YEAR).text.splitlines()) == 1


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "2026-02-30"}, "since"),
        ({"since": "1999-01-01"}, "since"),
        ({"until": "today"}, "until"),
        ({"since": "2026-06-02", "until": "2026-06-01"}, "since"),
        ({"since": "2010-01-01", "until": "2026-06-01"}, "since"),
        ({"by": "day"}, "by"),
    ],
)
def test_wrong_days_are_refused(company: Company, asked: dict[str, str], field: str) -> None:
    assert company.owner.refused(422, "GET", SPEND, params=asked)["field"] == field


def test_without_days_it_is_this_month_until_today() -> None:
    now = int(datetime(2026, 3, 1, 2, tzinfo=UTC).timestamp()) * 1_000_000
    assert spending_report.days_of(None, None, "America/New_York", now) == (
        date(2026, 2, 1), date(2026, 2, 28), "America/New_York",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t1", "\r1", "\uff0d1"])
def test_what_others_wrote_is_no_formula(name: str) -> None:
    row = spending.Spent("x", name, "usd", 0, 500, 1)
    [cells] = csv.reader(io.StringIO(spending_report.spend_csv([row]), newline=""))
    assert cells == ["x", f"'{name}", "USD", "0.00", "5.00", "-5.00", "1"]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\uff1d1+1", "\uff201"])
def test_nor_where_another_cell_begins(formula: str) -> None:
    """Where commas are decimal signs a spreadsheet takes semicolons for the ends of cells, and commas for nothing."""
    for name in (f"Shop;{formula}", f'Shop";{formula}', f"Shop\t{formula}"):
        [line] = csv.reader(
            io.StringIO(spending_report.spend_csv([spending.Spent("x", name, "usd", 0, 0, 1)])), delimiter=";"
        )
        assert not any(cell.strip().startswith(formula.strip()) for cell in "\t".join(line).split("\t"))
    row = spending.Spent("x", "A-B; c = d", "usd", 0, 500, 1)
    assert "A-B; c = d" in spending_report.spend_csv([row])


def test_the_page_shows_the_same_and_leads_to_the_files(
    roony: ServedRoony, company: Company, look: Callable[[str], httpx2.Response]
) -> None:
    booked(roony, company, purchase_of(roony, company), "2026-06-01T00:00", 12_300)
    text = look("/reports?by=merchant&since=2026-06-01&until=2026-06-30").text
    assert "Figma: 123.00 USD" in text
    assert 'href="/api/v1/admin/reports/journal?since=2026-06-01&amp;until=2026-06-30"' in text
    assert "Nothing was captured" in look("/reports?by=agent&since=2026-07-01&until=2026-07-30").text
    assert look("/reports?since=2026-07-02&until=2026-07-01").status_code == 422
