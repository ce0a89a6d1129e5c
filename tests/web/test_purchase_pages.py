"""The pages of purchases as HTML, for somebody who is signed in: search, filters, pages, timeline and checks."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.decision import CODES
from roony.core.merchant import Merchant, normalise
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.store.rows import KnownMerchant
from roony.web.dashboard.checks import KINDS
from roony.web.dashboard.view import ROWS
from tests.support.serving import Company, ServedRoony
from tests.support.walking import other_pages
from tests.web.conftest import waiting

Look = Callable[[str], httpx2.Response]
DAY = 86_400_000_000
# 2026-11-20 12:00 UTC.
NOON = 1_795_176_000_000_000


def shown(answer: httpx2.Response) -> list[str]:
    """The merchants of a list, in its order."""
    assert answer.status_code == 200, answer.text
    return re.findall(r'<th scope="row"[^>]*><a href="/purchases/[^"]*">([^<]*)</a>', answer.text)


def listed(answer: httpx2.Response) -> list[str]:
    """The ids of a list, in its order."""
    assert answer.status_code == 200, answer.text
    return re.findall(r'<th scope="row"[^>]*><a href="/purchases/([^"]*)"', answer.text)


def copies(roony: ServedRoony, company: Company, *rows: dict[str, Any]) -> list[Purchase]:
    """A purchase that waits for a person, and copies of it as these fields say."""
    _, asked = waiting(roony, company)
    first = roony.books.row(Purchase, organization_id=company.id, id=asked["id"])
    made = []
    for row in rows:
        name = row.pop("name", "Figma")
        merchant = Merchant(name).to_json()
        key = normalise(name)
        made.append(
            first._replace(id=roony.context.new_id("pur"), merchant=merchant, merchant_key=key, approval_id=None, **row)
        )
    roony.books.put(*made)
    return made


def test_every_code_of_a_decision_belongs_to_one_check_in_their_order() -> None:
    assert [code for kind in KINDS for code in kind.codes] == list(CODES)


def test_the_list_is_filtered_by_status_agent_project_and_days(
    roony: ServedRoony, company: Company, look: Look
) -> None:
    other, _ = company.agent("Other")
    copies(
        roony, company,
        {"name": "Linear", "status": "settled", "created_at": NOON},
        {"name": "Miro", "status": "declined", "created_at": NOON + DAY, "agent_id": other["id"]},
        {"name": "Slack", "status": "declined", "created_at": NOON + 2 * DAY, "project_id": "prj_other"},
    )  # fmt: skip
    assert shown(look("/purchases")) == ["Figma", "Slack", "Miro", "Linear"]
    assert shown(look("/purchases?status=declined")) == ["Slack", "Miro"]
    assert shown(look(f"/purchases?agent={other['id']}")) == ["Miro"]
    assert shown(look("/purchases?project=prj_other&status=declined&search=&from=&to=")) == ["Slack"]
    assert shown(look("/purchases?from=2026-11-20&to=2026-11-21")) == ["Miro", "Linear"]
    assert shown(look("/purchases?from=2026-11-22&to=2026-11-22")) == ["Slack"]
    assert "No purchase fits" in look("/purchases?from=2026-11-23&to=2026-11-22").text


def test_a_search_finds_a_merchant_by_the_beginning_of_its_name_and_anything_by_its_id(
    roony: ServedRoony, company: Company, look: Look
) -> None:
    [figma, _, _] = copies(roony, company, {"name": "FIGMA, Inc."}, {"name": "Figment"}, {"name": "Some%Thing"})
    known = KnownMerchant(company.id, normalise("Figment"), "Figment", "[]", "[]", 1, 0)
    roony.books.put(known)
    # Who was only ever declined or waits is found by the whole name; "_" and "%" are no wild cards.
    assert sorted(shown(look("/purchases?search=figm"))) == ["Figment"]
    assert sorted(shown(look("/purchases?search=Figma"))) == ["FIGMA, Inc.", "Figma"]
    roony.books.put(known._replace(merchant_key="figma"))
    assert sorted(shown(look("/purchases?search=fig"))) == ["FIGMA, Inc.", "Figma", "Figment"]
    assert shown(look("/purchases?search=%25")) == []
    roony.books.put(_authorization(figma))
    for id in (figma.id, "iauth_page"):
        answer = look(f"/purchases?search={id}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/purchases/{figma.id}")
    neighbour = roony.company()
    [theirs] = copies(roony, neighbour, {})
    assert shown(look(f"/purchases?search={theirs.id}")) == []


def _authorization(purchase: Purchase) -> Authorization:
    """What is known of one before Stripe has told of it: no merchant yet."""
    return Authorization(
        purchase.organization_id, "iauth_page", purchase.connection_id, purchase.id, None, "ic_page", "pending", 0, 0,
        0, 0, 0, "usd", 0, "usd", "{}", None, 0, 0, 0, 0, purchase.created_at, purchase.created_at,
    )  # fmt: skip


def test_the_list_has_pages_that_keep_the_filters(roony: ServedRoony, company: Company, look: Look) -> None:
    copies(roony, company, *({"status": "expired", "created_at": NOON + place} for place in range(ROWS + 2)))
    first = look("/purchases?status=expired")
    assert len(shown(first)) == ROWS
    assert list(other_pages(first.text)) == ["Next"]
    second = look(other_pages(first.text)["Next"])
    assert len(shown(second)) == 2
    assert list(other_pages(second.text)) == ["First", "Previous"]
    assert other_pages(second.text)["First"] == "/purchases?status=expired"
    again = look(other_pages(second.text)["Previous"])
    assert (listed(again), list(other_pages(again.text))) == (listed(first), ["First", "Next"])
    assert listed(look(other_pages(again.text)["Next"])) == listed(second)
    assert [look(f"/purchases?{name}=nonsense").status_code for name in ("cursor", "before")] == [404, 404]


def test_what_came_in_meanwhile_stands_before_the_page_that_was_the_first(
    roony: ServedRoony, company: Company, look: Look
) -> None:
    """Without filters the address of the first page is the menu's, and such a list offers no "Show all"."""
    copies(roony, company, *({"created_at": NOON + place} for place in range(ROWS)))
    first = look("/purchases")
    second = look(other_pages(first.text)["Next"])
    assert other_pages(second.text)["First"] == "/purchases"
    assert ">Show all<" not in second.text
    [new] = copies(roony, company, {"created_at": roony.context.clock()})
    was_first = look(other_pages(second.text)["Previous"])
    assert listed(was_first) == listed(first)
    for name in ("First", "Previous"):
        assert new.id in listed(look(other_pages(was_first.text)[name]))


def test_a_page_whose_rows_are_gone_leads_to_the_first(roony: ServedRoony, company: Company, look: Look) -> None:
    rows = copies(roony, company, *({"status": "ready", "created_at": NOON + place} for place in range(ROWS + 1)))
    second = other_pages(look("/purchases?status=ready").text)["Next"]
    roony.books.put(rows[0]._replace(status="expired"))
    empty = look(second)
    assert "No purchase fits" in empty.text
    assert other_pages(empty.text) == {"First": "/purchases?status=ready"}


def test_a_purchase_is_a_timeline_with_every_check(roony: ServedRoony, company: Company, look: Look) -> None:
    body = {"amount": 900, "currency": "usd", "description": "<b>bold</b> & more", "merchant": {"name": "<i>Figma"}}
    agent, asked = waiting(roony, company)
    agent.send("POST", f"/api/v1/purchase_intents/{asked['id']}/cancel")
    text = look(f"/purchases/{asked['id']}").text
    steps = re.findall(r"<li class=\"\w+\"><h3>([^<]*)</h3>", text)
    assert steps[:3] == ["Buyer asked for 10.00 USD", "The rules ask for a person", "It waits for a person"]
    assert "No new authorization is accepted any more" in steps
    checked = re.findall(r'data-label="Check">([^<]*)</th><td data-label="Result"><span[^>]*>([^<]*)</span>', text)
    assert [html.unescape(title) for title, _ in checked] == [kind.title for kind in KINDS]
    assert [title for title, result in checked if result != "passed"] == ["Amount a person decides about"]
    assert "A person decides over 0.00 USD (set for the agent)." in text
    assert "5,000.00 USD a month for the agent: 0.00 USD spent, 0.00 USD held before it." in text
    assert {"purchase.asked", "purchase.canceled"} <= set(re.findall(r'data-label="What">([^<]*)<', text))
    more = {"currency": "eur", "metadata": {"Approved by": "the CFO"}}
    declined = agent.call("POST", "/api/v1/purchase_intents", body | more).json()
    text = look(f"/purchases/{declined['id']}").text
    # What an agent noted stands among nothing that Roony says itself.
    notes = r'nobody has checked</h3><dl class="facts untrusted"><dt>Approved by</dt><dd>the CFO</dd></dl>'
    assert re.search(notes, text)
    assert "<b>bold" not in text
    assert "<i>Figma" not in text
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; more" in text
    results = re.findall(r'data-label="Result"><span[^>]*>([^<]*)</span>', text)
    # The currency, and no budget is in it.
    assert [place for place, result in enumerate(results) if result == "declined"] == [2, 11]
    assert results[-4:] == ["not looked at"] * 4


def test_what_does_not_fit_stands_on_the_timeline_in_words(roony: ServedRoony, company: Company, look: Look) -> None:
    [row] = copies(roony, company, {})
    for kind, expected, found in (
        ("over_capture", "1000 usd", "12999 usd by PAY 100 usd"),
        ("merchant_mismatch", '{"name": "Figma"}', '{"name": "Fig & Co", "country": "US"}'),
    ):
        id = f"dis_{company.id}_{kind}"
        roony.books.put(
            Discrepancy(company.id, id, kind, "open", row.id, None, "ipi_1", expected, found, None, None, NOON, None)
        )
    text = html.unescape(look(f"/purchases/{row.id}").text)
    # What a merchant calls itself is marked, and no number of its is taken for an amount.
    lines = re.findall(r'<p>((?:Expected|Found) <span class="untrusted">[^<]*)</span></p>', text)
    lines = [line.replace('<span class="untrusted">', "") for line in lines]
    assert sorted(lines) == [
        "Expected 10.00 USD", "Expected name Figma", "Found 129.99 USD by PAY 100 usd",
        "Found name Fig & Co, country US",
    ]  # fmt: skip


def test_nothing_stands_before_its_cause_on_the_timeline(roony: ServedRoony, company: Company, look: Look) -> None:
    """Stripe tells whole seconds: what it books in the second of the ask seems older than the ask."""
    asked = NOON + 700_000
    [row] = copies(roony, company, {"created_at": asked, "status": "settled"})
    about = (company.id, "iauth_page", 0)
    booked = [
        StripeTransaction(
            company.id, f"ipi_{kind}", row.connection_id, row.id, "iauth_page", "ic_page", kind, 1_000, "usd", 1_000,
            "usd", "{}", None, NOON, NOON + 2_000_000,
        )
        for kind in ("refund", "capture")
    ]  # fmt: skip
    found = Discrepancy(
        company.id, f"dis_{row.id}", "over_capture", "open", row.id, None, "ipi_capture", "1 usd", "1000 usd", None,
        None, asked + 60_000, None,
    )  # fmt: skip
    roony.books.put(
        _authorization(row),
        AuthorizationDecision(
            *about, 1_000, "dec_page", row.id, 1, 1_000, "APPROVED", "approved", asked + 50_000, 4_230
        ),
        *booked, found,
    )  # fmt: skip
    text = look(f"/purchases/{row.id}").text
    steps = re.findall(r"<li class=\"\w+\"><h3>([^<]*)</h3>", text)
    assert steps == [
        "Buyer asked for 10.00 USD", "The rules ask for a person", "The card was asked for 10.00 USD: approved",
        "10.00 USD captured", "10.00 USD refunded", "Does not fit: over capture",
    ]  # fmt: skip
    assert "<p>Decided in 4.2 ms.</p>" in text


@pytest.mark.parametrize("id", ["pur_nobody", "a%00b", "a" * 200, "..%2f"])
def test_a_purchase_that_is_none_is_not_found(look: Look, id: str) -> None:
    assert look(f"/purchases/{id}").status_code == 404


def test_a_purchase_of_others_is_not_found(roony: ServedRoony, look: Look) -> None:
    [theirs] = copies(roony, roony.company(), {})
    assert look(f"/purchases/{theirs.id}").status_code == 404
