"""The overview: its figures and its charts are those of the books and of the API, on both databases."""

from __future__ import annotations

import re
from datetime import date
from html import unescape
from typing import Any

from roony.core.approval import Approval
from roony.core.budget import Budget, BudgetPeriod, day_begin, period_start
from roony.core.connection import Connection
from roony.core.money import format_amount
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.web.dashboard.overview import SHOWN, latency_of
from roony.web.latency import LatencyCounter
from tests.core.rows import row as row_of
from tests.support.books import NOW
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH, signed_in, waiting

DAY = 86_400_000_000
ADMIN = "/api/v1/admin"


def _page(roony: ServedRoony, company: Company, role: str = "owner") -> str:
    with signed_in(roony, company, role) as browser:
        answer = browser.get("/")
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def _card(page: str, title: str) -> str:
    """The text of one card, without its marks."""
    [found] = re.findall(rf'<section class="card"><h2>{title}</h2>(.*?)</section>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def _ask(agent: Caller, amount: int, name: str = "Figma", status: str = "") -> dict[str, Any]:
    body = {"amount": amount, "currency": "usd", "description": "seats", "merchant": {"name": name, "country": "US"}}
    made: dict[str, Any] = agent.send("POST", "/api/v1/purchase_intents", body, 201)
    assert made["status"] == status or not status, made
    return made


def _period(roony: ServedRoony, company: Company, period: str, start: int, held: int, spent: int) -> None:
    """Adds to what the whole organization used of one period in the books."""
    budget: Budget = roony.books.row(Budget, scope_id=company.id, period=period, currency="usd")
    roony.books.put(BudgetPeriod(company.id, budget.id, start, held, spent))


def test_spending_is_that_of_the_budgets(roony: ServedRoony, company: Company) -> None:
    waiting(roony, company)
    wide, buyer = company.agent("Second buyer", budgets=[MONTH])
    company.owner.send(
        "PUT", f"{ADMIN}/budgets",
        {"scope": "organization", "scope_id": company.id, "period": "month", "limit": 900_000, "currency": "usd"},
    )  # fmt: skip
    for amount in (2_000, 3_500):
        _ask(buyer, amount)
    _period(roony, company, "month", period_start("month", "UTC", NOW), 0, 12_345)
    page = _page(roony, company)
    [month] = [
        row
        for row in company.owner.get(f"{ADMIN}/budgets", params={"scope_id": company.id})["data"]
        if row["period"] == "month"
    ]
    assert (month["spent"], month["held"], month["limit"]) == (12_345, 6_500, 900_000)
    left = format_amount(900_000 - 12_345 - 6_500, "usd")
    assert _card(page, "This month").startswith(f"123.45 USD spent, 65.00 USD held · {left} left of 9,000.00 USD")
    by_agent = _card(page, "By agent, this month")
    [mine] = [
        row
        for row in company.owner.get(f"{ADMIN}/budgets", params={"scope_id": wide["id"]})["data"]
        if row["period"] == "month"
    ]
    assert mine["held"] == 5_500
    assert by_agent.startswith("Second buyer 55.00 USD of 5,000.00 USD")
    assert "Second buyer: 0.00 USD spent, 55.00 USD held, of 5,000.00 USD" in by_agent
    assert by_agent.index("Second buyer") < by_agent.index("Buyer 10.00 USD")


def test_the_line_has_the_days_of_the_books(roony: ServedRoony, company: Company) -> None:
    _, waits = waiting(roony, company)
    today = period_start("day", "UTC", NOW)
    used = {0: (1_000, 250), 3: (0, 7_700), 30: (0, 99), 31: (0, 5_000_000)}
    for back, (held, spent) in used.items():
        _period(roony, company, "day", today - back * DAY, held, spent)
    # What waits is held already.
    used[0] = (1_000 + waits["amount"], 250)
    page = _page(roony, company)
    chart = page[page.index("Held and spent by day</h2>") :].split("</svg>")[0]
    points = re.findall(r"<title>(\d+ \w+): ([\d,.]+ USD)</title>", chart)
    assert len(points) == 31
    shown = [text for _, text in reversed(points)]
    assert {back: text for back, text in enumerate(shown) if text != "0.00 USD"} == {
        back: format_amount(sum(used[back]), "usd") for back in (0, 3, 30)
    }
    total = format_amount(sum(sum(used[back]) for back in (0, 3, 30)), "usd")
    assert f"{points[0][0]} to {points[-1][0]}: {total} in all" in chart
    # Higher on the page is more: of two days the larger one has the smaller y.
    heights = [float(y) for y in re.findall(r'class="dot" cx="[\d.]+" cy="([\d.]+)"', chart)]
    assert heights[-4] == min(heights)
    assert heights[-1] < heights[-2] == max(heights)


def test_money_in_another_currency_is_not_left_out(roony: ServedRoony, company: Company) -> None:
    """The figures are those of budgets in the organization's currency; an account may be of another country."""
    where = {"organization_id": company.id, "connection_id": "con_gb", "currency": "gbp", "type": "capture"}
    pounds = row_of(StripeTransaction, id="ipi_gb", purchase_id="pur_gb", amount=40_000, created_at=NOW, **where)
    roony.books.put(pounds, pounds._replace(id="ipi_back", type="refund", amount=1_000))
    account = row_of(Connection, organization_id=company.id, id="con_gb", currency="gbp", stripe_account="acct_gb")
    with signed_in(roony, company, "owner") as browser:
        assert "GBP" not in _card(unescape(browser.get("/").text), "This month")
        roony.books.put(account._replace(kind="direct", status="active"))
        page = unescape(browser.get("/").text)
    words = "390.00 GBP captured as well. All other figures here are in USD."
    assert _card(page, "This month").endswith(words)
    assert _card(page, "By agent, this month") == "Nothing was bought in USD this month."


def test_the_first_day_of_the_line_is_whole_also_after_the_clock_was_set_back(roony: ServedRoony) -> None:
    """On the Azores it is 23:00 at NOW, and was an hour later a month before: 30 times 24 hours are not 30 days."""
    company = roony.company(time_zone="Atlantic/Azores")
    waiting(roony, company)
    _period(roony, company, "day", day_begin(date(2026, 10, 23), "Atlantic/Azores"), 0, 99)
    chart = _page(roony, company).split("Held and spent by day</h2>")[1].split("</svg>")[0]
    points = re.findall(r"<title>(\d+ \w+): ([\d,.]+ USD)</title>", chart)
    assert (points[0], points[-1][0]) == (("23 Oct", "0.99 USD"), "22 Nov")


def test_what_must_be_decided_first_stands_first(roony: ServedRoony, company: Company) -> None:
    waiting(roony, company)
    row: Approval = roony.books.row(Approval, organization_id=company.id)
    newer = [
        row._replace(id=roony.context.new_id("apr"), created_at=row.created_at + n, expires_at=row.expires_at + n)
        for n in range(1, SHOWN + 1)
    ]
    roony.books.put(*newer)
    listed = re.findall(r'<li><a href="/approvals/(\w+)"', _page(roony, company))
    assert listed == [row.id, *(one.id for one in newer[: SHOWN - 1])]


def test_what_waits_and_what_was_declined_is_that_of_the_lists(roony: ServedRoony, company: Company) -> None:
    waiting(roony, company)
    _, buyer = company.agent("Small", budgets=[MONTH], controls={"purchase_limit": 500})
    declined = [_ask(buyer, 600 + number, f"Shop {number}", "declined") for number in range(7)]
    roony.books.put(
        Discrepancy(
            company.id, f"dis_{company.id}", "unmatched_refund", "open", None, None, "ipi_1", "{}", "{}", None, None,
            NOW, None,
        )
    )  # fmt: skip
    page = _page(roony, company)
    approvals = company.owner.get(f"{ADMIN}/approvals", params={"status": "pending"})["data"]
    assert len(approvals) == 1
    assert _card(page, "Waiting for a person").startswith("1 10.00 USD at Figma until")
    lately = _card(page, "Declined lately")
    newest = [row["id"] for row in company.owner.get(f"{ADMIN}/purchases", params={"status": "declined"})["data"]]
    assert sorted(newest) == sorted(row["id"] for row in declined)
    assert re.findall(r"/purchases/(pur_\w+)", page)[:5] == newest[:5]
    reason = declined[0]["decision"]["reasons"][0]
    assert [message["message"] in lately for message in (row["decision"]["reasons"][0] for row in declined)].count(
        True
    ) == 5
    assert lately.endswith(f"{reason['code'].replace('_', ' ').capitalize()} 7")
    assert _card(page, "Does not fit").startswith("Unmatched refund")


def test_what_a_person_denied_was_declined_by_a_person(roony: ServedRoony, company: Company) -> None:
    _, asked = waiting(roony, company)
    company.owner.send("POST", f"{ADMIN}/approvals/{asked['approval']['id']}/deny", {})
    assert _card(_page(roony, company), "Declined lately").endswith("A person said no. Why Denied by a person 1")


def test_nothing_yet_says_so_and_only_owners_and_admins_see_the_switch(roony: ServedRoony, company: Company) -> None:
    page = _page(roony, company)
    assert _card(page, "This month").startswith("0.00 USD spent · no limit for the whole organization")
    for title, words in (
        ("Waiting for a person", "0 Nothing waits."),
        ("By agent, this month", "Nothing was bought this month."),
        ("Declined lately", "Nothing was declined."),
        ("Does not fit", "Everything Stripe reported fits."),
    ):
        assert _card(page, title) == words
    assert _card(page, "Answers to the network").endswith("No Stripe account is connected.")
    assert "Freeze everything" in page
    for role in ("approver", "viewer"):
        assert "Freeze everything" not in _page(roony, company, role)


def test_the_latency_says_the_middle_the_slowest_and_the_share_in_time() -> None:
    counter = LatencyCounter()
    assert latency_of(counter) is None
    for seconds in [0.004] * 90 + [0.03] * 8 + [0.9] + [1.5]:
        counter.count(seconds)
    told = latency_of(counter)
    assert told is not None
    assert (told.answers, told.middle, told.slowest) == (100, "under 5 ms", "under 1000 ms")
    assert told.in_time == "99.00 %"


def test_the_first_answer_is_called_the_only_one(roony: ServedRoony, company: Company) -> None:
    """Half of one answer is none."""
    counter = roony.door.latency
    counter.buckets = LatencyCounter().buckets
    told = {
        "viewer": "No card was used", "approver": "under 5 ms the only answer so far · 100.00 %",
        "admin": "under 5 ms half of 2 answers",
    }  # fmt: skip
    for role, words in told.items():
        assert _card(_page(roony, company, role), "Answers to the network").startswith(words)
        counter.count(0.004)
