"""Pages of alerts, discrepancies and events as HTML, and which events a list of an organization has, in which order."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx2
import pytest

from roony.core.alert import Alert, alert_id
from roony.core.connection import Connection
from roony.core.finding import told
from roony.core.merchant import Merchant
from roony.core.settlement import DISCREPANCY_KINDS, Discrepancy
from roony.store.inbox import new_event
from roony.store.queries.events import event_page
from roony.store.queries.paging import Slice, encode_cursor
from roony.web.dashboard.discrepancies import MEANINGS
from roony.web.dashboard.events import LONGEST_PAYLOAD, readable
from tests.support.serving import Company, ServedRoony

Look = Callable[[str], httpx2.Response]


def test_every_kind_has_a_meaning() -> None:
    assert sorted(MEANINGS) == sorted(DISCREPANCY_KINDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5600 usd captured, 700 jpy by 9 men", "56.00 USD captured, 700 JPY by 9 men"),
        (Merchant("Figma", country="US").to_json(), [("country", "US"), ("name", "Figma")]),
        (Merchant("Figma", category="5734").to_json(), [("category", "Computer software stores"), ("name", "Figma")]),
        ("{}", "not known"),
        ("[1]", "[1]"),
        ("nothing at Stripe", "nothing at Stripe"),
    ],
)
def test_what_was_found_in_words(text: str, expected: object) -> None:
    shown = told(text)
    assert (sorted(shown) if isinstance(shown, list) else shown) == expected


def test_a_payload_is_shown_as_text() -> None:
    assert readable(b'{"a":{"b":"\xc3\xa9"}}') == '{\n  "a": {\n    "b": "\u00e9"\n  }\n}'
    assert readable(b"no json \xff") == "no json \ufffd"
    assert len(readable(b"x" * (LONGEST_PAYLOAD + 1))) == LONGEST_PAYLOAD + 1


def test_alerts_and_discrepancies_stand_open_first_and_as_text(
    roony: ServedRoony, company: Company, look: Look
) -> None:
    at = roony.context.clock()
    for status, message in (("open", "See <b>to</b> it"), ("closed", "It is over")):
        closed_by = "roony" if status == "closed" else None
        row = Alert(
            company.id, alert_id("a_kind", status), "a_kind", status, status, message, 2, closed_by, at, at, None
        )
        roony.books.put(row._replace(closed_at=at if closed_by else None))
        finding = Discrepancy(
            company.id, f"dis_{status}", "force_capture", "resolved" if closed_by else "open", None, None,
            "ipi_1", "an authorization", f"{message}: 2000 usd", "<i>fine</i>", closed_by, at,
            at if closed_by else None,
        )  # fmt: skip
        roony.books.put(finding)
    for path, other in (("/alerts", "closed"), ("/discrepancies", "resolved")):
        first, second, both = look(path).text, look(f"{path}?status={other}").text, look(f"{path}?status=all").text
        assert "See &lt;b&gt;to&lt;/b&gt; it" in first
        assert "It is over" not in first
        assert "It is over" in second
        assert "See &lt;b&gt;" not in second
        assert "It is over" in both
        assert "See &lt;b&gt;" in both
    assert "&lt;i&gt;fine&lt;/i&gt;" in look("/discrepancies/dis_closed").text
    assert look("/discrepancies/dis_none").status_code == 404


def test_people_are_called_by_their_names(roony: ServedRoony, company: Company, look: Look) -> None:
    """In the audit log beside the id, at a discrepancy, and at the versions of rules."""
    at, name = roony.context.clock(), "Ann <b>Lee</b>"
    path = "/api/v1/admin/users"
    ann = company.owner.send("POST", path, {"name": name, "email": "lee@example.com", "role": "admin"}, 201)["id"]
    key = roony.caller(company.owner.send("POST", f"{path}/{ann}/keys", {"name": "laptop"}, 201)["key"])
    roony.books.put(
        Discrepancy(
            company.id, "dis_named", "force_capture", "resolved", None, None, "ipi_1", "an authorization", "none",
            "fine", ann, at, at,
        )
    )  # fmt: skip
    rules = {"scope": "organization", "scope_id": company.id, "controls": {"purchase_limit": 900}}
    key.send("PUT", "/api/v1/admin/controls", rules)
    assert "by Ann &lt;b&gt;Lee&lt;/b&gt;</dd>" in look("/discrepancies/dis_named").text
    assert '<td data-label="Who">Ann &lt;b&gt;Lee&lt;/b&gt;</td>' in look("/rules/organization").text
    assert f'<span>Ann &lt;b&gt;Lee&lt;/b&gt;</span><br><code class="id" title="{ann}">' in look("/audit").text


def test_events_given_and_waiting_stand_in_one_order(roony: ServedRoony, company: Company, look: Look) -> None:
    """What waits has no organization yet and is known by its account."""
    at, account = roony.context.clock(), f"acct_{company.id}"
    roony.books.put(
        Connection(company.id, f"con_{company.id}", "connect", "active", account, 0, None, "usd", None, 0, 0)
    )
    stranger = new_event(f"evt_{company.id}_x", "acct_of_nobody", False, "a.b", "ic_1", 1, b"{}", at + 9)
    roony.books.put(stranger)
    for number in range(6):
        row = new_event(f"evt_{company.id}_{number}", account, False, "a.b", "ic_1", 1, b"{}", at + number // 2)
        # They are not to be handled while this looks at them.
        row = row._replace(status="applied" if number == 3 else "dead")
        roony.books.put(row._replace(organization_id=company.id if number % 2 else None))
    expected = [f"evt_{company.id}_{number}" for number in (5, 4, 3, 2, 1, 0)]
    assert re.findall(r'href="/events/([^"]*)"', look("/events").text) == expected
    dead = [id for id in expected if not id.endswith("3")]
    assert re.findall(r'href="/events/([^"]*)"', look("/events?status=dead").text) == dead
    paged: list[str] = []
    cursor = ""
    while len(paged) < len(expected):
        page = company.owner.get(f"/api/v1/admin/events?limit=1{cursor}")
        paged += [row["id"] for row in page["data"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert paged == expected
    assert page["next_cursor"] is None
    back: list[str] = []
    wanted = Slice(2, encode_cursor((at, expected[-1])), backward=True)
    while len(back) < len(expected) - 1:
        rows, _, previous = event_page(roony.context.database, company.id, wanted)
        back = [*(row.id for row in rows), *back]
        wanted = wanted._replace(cursor=previous)
    assert (back, previous) == (expected[:-1], None)
    assert "No events here." in look("/events?status=ignored").text
