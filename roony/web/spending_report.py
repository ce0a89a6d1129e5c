"""Reports of what was spent: one way to put them together for the API and the page, and their lines as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from roony.core.budget import day_begin
from roony.core.duration import local_time
from roony.core.errors import Refusal
from roony.core.money import decimal_text
from roony.store.database import Database
from roony.store.queries.names import names_of
from roony.store.queries.spending import Booked, Span, Spent, spent_by, spent_in_all

# Days of these years are taken.
FIRST_YEAR, LAST_YEAR = 2000, 2100
# The longest report, in days: a year, and a month to compare.
MOST_DAYS = 400
# What a spreadsheet would take for a formula, in full width too where it was made for Chinese or Japanese. Where commas
# are decimal signs it begins a cell behind each semicolon, whatever stands in quotes.
_FORMULA = re.compile("(?:^|(?<=[;\t\r\n]))(?=[ \xa0]{0,3}[=+@\uff1d\uff0b\uff0d\uff20-])|^(?=[\t\r\n])")
SPEND_COLUMNS = ("id", "name", "currency", "captured", "refunded", "spent", "purchases")
JOURNAL_COLUMNS = (
    "date", "transaction", "purchase", "agent", "project", "merchant", "account", "debit", "credit", "currency",
    "receipt",
)  # fmt: skip
EXPENSE, UNMATCHED, BALANCE = "Purchases", "Not matched to a purchase", "Stripe Issuing balance"


class Days(NamedTuple):
    """The days of a report, both included, in an organization's time zone."""

    first: date
    last: date
    time_zone: str

    @property
    def span(self) -> Span:
        """From the first moment of the first day to the first one after the last."""
        return Span(day_begin(self.first, self.time_zone), day_begin(self.last + timedelta(days=1), self.time_zone))


class Report(NamedTuple):
    """What was spent, in groups; `totals` is the sum of all of them in each currency, `unmatched` what is in none."""

    by: str
    days: Days
    rows: list[Spent]
    totals: list[Spent]
    unmatched: list[Spent]


def read_day(text: str) -> date | None:
    """A day such as 2026-11-28, or None for what is none, or none of these times."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR and text == day.isoformat() else None


def days_of(first: date | None, last: date | None, time_zone: str, now: int) -> Days | Refusal:
    """The days asked for: until today if it is not said, from the first of that month on. `now` in microseconds UTC."""
    last = last or local_time(now, ZoneInfo(time_zone)).date()
    first = first or last.replace(day=1)
    if first > last:
        return Refusal("invalid", "The first day comes after the last one.", 422, field="since")
    if (last - first).days >= MOST_DAYS:
        return Refusal("invalid", f"A report has at most {MOST_DAYS} days.", 422, field="since")
    return Days(first, last, time_zone)


def report(database: Database, organization_id: str, by: str, days: Days) -> Report:
    """What was spent on these days, by one of GROUPS."""
    if by == "month":
        sums = spent_in_all(database, organization_id, days.span)
        rows = _by_month(database, organization_id, days, sums.totals)
    else:
        rows, sums = spent_by(database, organization_id, by, days.span)
    return Report(by, days, rows, *sums)


def _by_month(database: Database, organization_id: str, days: Days, totals: list[Spent]) -> list[Spent]:
    """Month after month, the first and the last one as far as they are among the days; without months of nothing."""
    rows, first = [], days.first
    while first <= days.last:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        month = Days(first, min(days.last, following - timedelta(days=1)), days.time_zone)
        name = f"{first:%Y-%m}"
        sums = totals if month == days else spent_in_all(database, organization_id, month.span).totals
        rows += [row._replace(id=name, name=name) for row in sums]
        first = following
    return rows


def spend_csv(rows: Iterable[Spent]) -> str:
    """The groups as CSV, amounts as decimals of their currency."""
    return _csv(
        (row.id or "", row.name, row.currency.upper(), _plain(row.captured, row), _plain(row.refunded, row),
         _plain(row.spent, row), Number(str(row.purchases)))
        for row in rows
    )  # fmt: skip


def _plain(amount: int, row: Spent) -> Number:
    return Number(decimal_text(amount, row.currency))


def journal_csv(database: Database, organization_id: str, lines: Sequence[Booked], time_zone: str) -> str:
    """Two lines for each capture or refund: what it was for is debited, the balance at Stripe credited; a refund has
    the same two with a minus. Debit and credit are equal in every pair, and so in all."""
    booked = [line.transaction for line in lines]
    names = names_of(database, organization_id, [id for row in booked for id in (row.agent_id, row.project_id)])
    return _csv(cells for line in lines for cells in _entries(line, names, ZoneInfo(time_zone)))


def _entries(line: Booked, names: dict[str, str], zone: ZoneInfo) -> Iterable[Sequence[str]]:
    booked = line.transaction
    amount = booked.amount if booked.type == "capture" else -booked.amount
    text, none = Number(decimal_text(amount, booked.currency)), ""
    day = f"{local_time(booked.created_at, zone):%Y-%m-%d}"
    account = EXPENSE if booked.purchase_id is not None else UNMATCHED
    about = (day, booked.id, booked.purchase_id or none, names.get(booked.agent_id or none, none),
             names.get(booked.project_id or none, none), merchant_of(line))  # fmt: skip
    rest = (booked.currency.upper(), line.receipt_id or none)
    yield (*about, account, text, none, *rest)
    yield (*about, BALANCE, none, text, *rest)


def merchant_of(line: Booked) -> str:
    """The merchant that was approved; of what belongs to no purchase, the one Stripe names."""
    return str(json.loads(line.merchant or line.transaction.merchant).get("name", ""))


class Number(str):
    """A cell that is a number of ours: its minus is no formula."""

    __slots__ = ()


def head(columns: Sequence[str]) -> str:
    """The first line of a CSV."""
    return _csv([columns])


def _csv(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([_cell(text) for text in row] for row in rows)
    return out.getvalue()


def _cell(text: str) -> str:
    """What an agent or a merchant wrote must not become a formula in a spreadsheet: an apostrophe makes it a text."""
    return text if isinstance(text, Number) else _FORMULA.sub("'", text)
