"""The way back from Stripe's OAuth: whatever is made up, nothing is connected, nothing is spent, nothing is quoted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote_from_bytes, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from roony.store.tables import connections, oauth_states, start_tickets
from roony.web.oauth import COOKIE
from tests.fuzz.conftest import Drive
from tests.fuzz.wire import Answered, Wire
from tests.support.serving import Company, ServedRoony, serve

CALLBACK = "/connect/stripe/callback"
SAFE = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='#;, \\"')
TOKEN = st.text(SAFE, max_size=300)
NAMES = st.sampled_from(["state", "code", "error", "error_description", "scope", "ticket", "State", "state[]", ""])
VALUES = TOKEN | st.binary(max_size=80).map(lambda raw: raw.decode("latin-1"))
# What stands in an answer whether or not somebody made it up.
OURS = 12


class Open(NamedTuple):
    """A connection that waits for the way back: its state, and the cookie of the browser that began."""

    company: Company
    state: str
    cookie: str


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with serve(tmp_path_factory.mktemp("oauth")) as served:
        yield served


@pytest.fixture(scope="module")
def begun(roony: ServedRoony) -> Open:
    """A start link that was opened: Stripe would send the browser back now."""
    company = roony.company("Connecting")
    link = urlsplit(company.owner.send("POST", "/api/v1/admin/connections", {"kind": "connect"}, 201)["url"])
    page = roony.caller().call("GET", f"{link.path}?{link.query}")
    assert page.status_code == 303
    state = parse_qs(urlsplit(page.headers["location"]).query)["state"][0]
    return Open(company, state, page.cookies[COOKIE])


@pytest.fixture
def wire(roony: ServedRoony) -> Iterator[Wire]:
    with Wire(roony.url) as one:
        yield one


def ask(wire: Wire, path: str, cookie: str | None = None, method: str = "GET") -> Answered:
    """One request of a browser."""
    sent = f"Cookie: {COOKIE}={cookie}\r\n" if cookie else ""
    return wire.ask(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{sent}\r\n".encode("latin-1"))


def rows(roony: ServedRoony) -> dict[str, list[Any]]:
    """All that connecting writes."""
    return {
        table.name: sorted(map(str, roony.context.database.read(select(table))))
        for table in (connections, oauth_states, start_tickets)
    }


def expect_refused(answer: Answered, *given: str) -> None:
    """A page that says no, without a word of what was sent."""
    assert answer.status in (400, 409), answer
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" in answer.headers
    assert "set-cookie" not in answer.headers or "Max-Age=0" in answer.headers["set-cookie"]
    assert "location" not in answer.headers
    text = answer.body.decode()
    assert not [word for word in given if len(word) > OURS and word in text]


def test_a_way_back_that_was_made_up_connects_nothing(
    roony: ServedRoony, begun: Open, wire: Wire, drive: Drive
) -> None:
    """Any query and any cookie; the open state is still good afterwards, in its own browser."""
    before = rows(roony)

    @given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.none() | TOKEN)
    def made_up(pairs: list[tuple[str, str]], cookie: str | None) -> None:
        query = urlencode([(name, value.encode("latin-1")) for name, value in pairs])
        expect_refused(ask(wire, f"{CALLBACK}?{query}", cookie), *(value for _, value in pairs))

    drive(made_up, 200)
    assert rows(roony) == before

    @given(st.binary(max_size=6_000))
    def any_bytes(raw: bytes) -> None:
        expect_refused(ask(wire, f"{CALLBACK}?{quote_from_bytes(raw, safe='=&%+')}"))

    drive(any_bytes, 150)
    assert rows(roony) == before
    expect_refused(ask(wire, f"{CALLBACK}?{urlencode({'state': begun.state, 'code': 'ac_1'})}"))
    # In the browser that began it is taken, and only then spent: nothing answers for Stripe here.
    answer = ask(wire, f"{CALLBACK}?{urlencode({'state': begun.state, 'code': 'ac_1'})}", begun.cookie)
    assert answer.status == 502
    assert b"Stripe did not answer" in answer.body


def test_a_state_a_little_off_is_another_state(roony: ServedRoony, wire: Wire, drive: Drive) -> None:
    """One letter changed, gone or more, in the state or in the cookie."""
    company = roony.company("Another")
    link = urlsplit(company.owner.send("POST", "/api/v1/admin/connections", {"kind": "connect"}, 201)["url"])
    page = roony.caller().call("GET", f"{link.path}?{link.query}")
    state, cookie = parse_qs(urlsplit(page.headers["location"]).query)["state"][0], page.cookies[COOKIE]
    before = rows(roony)

    @given(st.sampled_from(["state", "cookie"]), st.integers(0, 42), st.text("abcXYZ019-_", max_size=2))
    def a_little_off(which: str, at: int, letters: str) -> None:
        good = state if which == "state" else cookie
        off = good[:at] + letters + good[at + 1 :]
        if off == good:
            return
        sent = (off, cookie) if which == "state" else (state, off)
        query = urlencode({"state": sent[0], "code": "ac_1"})
        expect_refused(ask(wire, f"{CALLBACK}?{query}", sent[1]), off)

    drive(a_little_off, 150)
    assert rows(roony) == before


def test_a_start_link_that_was_made_up_opens_nothing(roony: ServedRoony, wire: Wire, drive: Drive) -> None:
    before = rows(roony)

    @given(VALUES, st.sampled_from(["GET", "HEAD", "POST", "PUT"]))
    def made_up(ticket: str, method: str) -> None:
        query = urlencode({"ticket": ticket.encode("latin-1")})
        if method == "GET":
            expect_refused(ask(wire, f"/connect/stripe?{query}"), ticket)
        elif method != "HEAD":
            assert ask(wire, f"/connect/stripe?{query}", method=method).status == 405

    drive(made_up, 150)
    assert rows(roony) == before
