"""Messages to people: in plain words, and nothing an agent or a shop wrote does anything where it is read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.message import (
    LONG_NUMBER,
    MAX_TEXT,
    MAX_TITLE,
    MAX_WORDS,
    MESSAGE_TYPES,
    About,
    is_for_people,
    once_key,
    said,
    text_of,
)
from roony.core.notice import TYPES, Notice
from roony.core.text import visible

URL = "https://roony.example"
ABOUT = About(URL, "Buyer", "Cloud", "Cloud", "because I need it")
PERIOD = {
    "scope": "project", "scope_id": "prj_1", "currency": "usd", "period": "month", "period_start": 17,
    "limit": 50_000, "used": 40_000,
}  # fmt: skip
DATA: dict[str, dict[str, Any]] = {
    "approval.requested": {"amount": 12_999, "currency": "usd", "merchant": "GitHub", "reasons": ["OVER_THRESHOLD"]},
    "change.proposed": {
        "loosens": [{"what": "budget usd month", "of": "agt_1", "before": 50_000, "after": None, "currency": "usd"}],
        "proposed_by": "usr_1",
        "expires_at": 1_790_000_000_000_000,
    },
    "purchase.declined": {"amount": 12_999, "currency": "usd", "merchant": "GitHub", "note": "too dear"},
    "authorization.declined": {"amount": 12_999, "currency": "usd", "merchant": "GitHub", "code": "CARD_USED"},
    "discrepancy.opened": {"kind": "over_capture", "expected": "4999 usd authorized", "found": "5999 usd captured"},
    "budget.warning": PERIOD,
    "budget.exhausted": {**PERIOD, "used": 50_000},
    "card.failed": {"code": "stripe_down"},
    "connection.broken": {"reasons": {"issuing_not_active": "Stripe has switched it off."}, "was": "active"},
    "alert.opened": {"kind": "low_balance", "subject": "con_1", "message": "Add funds."},
}


def notice(kind: str, /, **data: Any) -> Notice:
    return Notice("org_1", 5, 17, kind, "apr_1", "pur_1", "agt_1", {**DATA.get(kind, {}), **data})


def test_each_type_for_people_is_a_notice_and_has_words() -> None:
    assert set(MESSAGE_TYPES) == set(DATA) <= set(TYPES)
    for kind in MESSAGE_TYPES:
        title, body = text_of(notice(kind), ABOUT)
        assert title
        assert body
        assert "None" not in title + body
        assert "{" not in title + body


def test_the_second_person_reads_what_is_loosened_until_when_and_where_to_agree() -> None:
    title, body = text_of(notice("change.proposed"), ABOUT)
    assert title == "A change waits for a second person"
    assert body.splitlines() == [
        "Loosens: budget usd month of agt_1 from 500.00 USD to null",
        "Proposed by: usr_1",
        "Waits until: 2026-09-21 14:13 UTC",
        f"Another admin or owner confirms it, signed in: {URL}/changes",
        "Or with a key of their own: roony change confirm apr_1",
    ]


def test_a_change_of_many_rules_names_some_and_keeps_its_links() -> None:
    one = {"what": "blocked_merchants", "of": "agt_1", "before": ["https://evil.example"] * 500, "after": []}
    _, body = text_of(notice("change.proposed", loosens=[one] * 40), ABOUT)
    assert "and 35 more" in body
    assert "evil(.)example" in body
    assert body.endswith("roony change confirm apr_1")


def test_who_decides_reads_what_it_is_about_and_where_to_decide() -> None:
    title, body = text_of(notice("approval.requested"), ABOUT)
    assert title == "Approval wanted: 129.99 USD"
    assert body.split("\n") == [
        "Agent: “Buyer” (agt_1)",
        "Project: “Cloud”",
        "Amount: 129.99 USD",
        "Merchant, as it was named to Roony: “GitHub”",
        "The agent writes, unchecked: “because I need it”",
        "Purchase: pur_1",
        "Asked because of: OVER_THRESHOLD",
        f"Decide with an approver's own key: {URL}/approve/apr_1",
    ]


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("purchase.declined", {}, ["Purchase declined: 129.99 USD", "Because of: “too dear”"]),
        ("authorization.declined", {}, ["Payment declined: 129.99 USD", "CARD_USED"]),
        (
            "discrepancy.opened",
            {},
            ["Discrepancy: over_capture", "Expected: 49.99 USD authorized", "Found: 59.99 USD captured"],
        ),
        ("budget.warning", {}, ["Budget at 80 %: project “Cloud”", "Limit: 500.00 USD, by month", "spent: 400.00 USD"]),
        ("budget.exhausted", {}, ["Budget at 100 %", "Held and spent: 500.00 USD"]),
        ("budget.warning", {"currency": "jpy", "limit": 5_000}, ["Limit: 5,000 JPY"]),
        ("card.failed", {}, ["A card could not be made", "Because of: stripe_down"]),
        ("connection.broken", {}, ["A Stripe account cannot be used", "Stripe has switched it off."]),
        ("connection.broken", {"reasons": None, "reason": "said so"}, ["Because: said so"]),
        ("alert.opened", {}, ["Alert: low_balance", "What: Add funds."]),
    ],
)
def test_the_words_of_each_type(kind: str, data: dict[str, Any], words: list[str]) -> None:
    text = "\n".join(text_of(notice(kind, **data), ABOUT))
    for word in words:
        assert word in text


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_a_record_of_another_release_without_its_fields_has_words_too(kind: str) -> None:
    title, body = text_of(Notice("org_1", 5, 17, kind, "x_1", None, None, {}), About(URL))
    assert title
    assert "None" not in title + body


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("GitHub", "GitHub"), ("AT&T", "AT&T"), ("Café 4.99 USD", "Café 4.99 USD"), ("foo_bar", "foo_bar"),
        ("amazon.de", "amazon(.)de"), ("http://evil.example/x", "http: //evil(.)example/x"),
        ("WWW.EVIL.EXAMPLE", "WWW(.)EVIL(.)EXAMPLE"), ("evil。example", "evil(.)example"),
        ("evil\uff0eexample", "evil(.)example"), ("1.2.3.4", "1(.)2(.)3(.)4"),
        ("javascript:alert", "javascript: alert"),
        ("@channel", "(at)channel"), ("a@b.example", "a(at)b(.)example"), ("<!here>", "\u2039!here\u203a"),
        ("<@U123ABC>", "\u2039(at)U123ABC\u203a"), ("&lt;!channel&gt;", "&lt,!channel&gt,"), ("/start", "/ start"),
        ("#general", "general"), ("[ok](https://e.example)", "(ok)(https: //e(.)example)"),
        ("**bold** _it_ ~~no~~ `x` ||s||", "··bold·· -it- --no-- 'x' //s//"), ("a\\u0040", "a/u0040"),
        ("one\ntwo\r\nthree\ttabs", "one two three tabs"), ("a\x00b\x1b[31mred", "a b (31mred"),
        ("pay\u202eevil\u200b\u2066", "payevil"), ("e\u0301\u0301\u0301\u0301", "é\u0301"),
        ("\U000e0041\U000e0042tags", "tags"), ("“said” he", "'said' he"), ('a "quote"', "a 'quote'"),
        ("4242 4242 4242 4242", LONG_NUMBER), ("4242.4242.4242.4242", LONG_NUMBER), ("4242-4242 42424242", LONG_NUMBER),
        ("４２４２４２４２４２４２４２４２", LONG_NUMBER), ("4\u200b2\u200b4242424242424242", LONG_NUMBER),
        ("card 1234567890123 end", f"card {LONG_NUMBER} end"), (12, "12"), ("", ""),
    ],
)  # fmt: skip
def test_what_others_wrote_does_nothing(written: object, shown: str) -> None:
    assert said(written) == shown


HOSTILE = re.compile(r"[\n\r<>\[\]{}*~`|\\#@;“”\"]|:\S|\w\.[^\W\d]|[^\W\d]\.\w|(?<!\S)/\w|__")


@given(st.text(max_size=300) | st.text("ab1.:/@<>_*#\u200b\u202e 4２", max_size=80))
def test_whatever_is_written_is_one_short_line_without_links_and_signs(written: str) -> None:
    shown = said(written)
    assert len(shown) <= MAX_WORDS
    assert not HOSTILE.search(shown)
    assert visible(shown) == shown
    assert not re.search(r"\d{13}", shown)


def test_a_megabyte_is_cut_before_it_is_looked_at() -> None:
    assert said("x" * 1_000_000) == "x" * (MAX_WORDS - 1) + "…"


def test_a_title_and_a_text_have_an_end() -> None:
    long = "word " * 10_000
    about = About(URL, long, long, long, long)
    for kind in MESSAGE_TYPES:
        fields = {name: long for name, value in DATA[kind].items() if isinstance(value, str)}
        title, body = text_of(notice(kind, **fields), about)
        assert len(title) <= MAX_TITLE
        assert len(body) <= MAX_TEXT
    # The link is the last line and is whole.
    assert text_of(notice("approval.requested", merchant=long), about).body.endswith(f"{URL}/approve/apr_1")


def test_people_hear_of_what_they_chose_or_of_everything_people_hear_of() -> None:
    assert is_for_people(notice("card.failed"), "[]")
    assert is_for_people(notice("card.failed"), '["card.failed"]')
    assert not is_for_people(notice("card.failed"), '["alert.opened"]')
    assert not is_for_people(notice("purchase.ready"), "[]")
    assert not is_for_people(notice("purchase.ready"), '["purchase.ready"]')


def test_a_broken_connection_is_told_once() -> None:
    again = notice("alert.opened", kind="connection_restricted")
    assert not is_for_people(again, "[]")
    assert is_for_people(again, '["alert.opened"]')
    assert is_for_people(notice("alert.opened", kind="app_to_uninstall"), "[]")


def test_a_mark_of_a_budget_is_told_once_in_a_period_and_for_a_limit() -> None:
    keys = [
        once_key(notice("budget.warning")), once_key(notice("budget.exhausted")),
        once_key(notice("budget.warning", period_start=18)), once_key(notice("budget.warning", limit=1)),
    ]  # fmt: skip
    assert len(set(keys)) == 4
    assert once_key(notice("budget.warning", used=45_000)) == keys[0]
    assert once_key(notice("card.failed")) is None
