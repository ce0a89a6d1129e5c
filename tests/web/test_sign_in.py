"""Signing in over HTTP: what a wrong password costs, how long a session lasts, what a page of somebody else gets."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from roony.core.address import parse_networks
from roony.core.hashing import text_hash
from roony.core.role import ROLES, may
from roony.core.sign_in import (
    BROWSER_SECONDS,
    FIRST_WAIT,
    FREE_FAILURES,
    IDLE_SECONDS,
    SESSION_SECONDS,
    Tries,
)
from roony.flows.sign_in_tries import of_address, of_user
from roony.store.rows import AccessKey
from roony.web.app import AppOptions, create_app
from roony.web.dashboard.sign_in import TRIES_PER_MINUTE
from roony.web.permissions import PERMISSIONS
from roony.web.session import COOKIE, csrf_token
from tests.support.events import parsed
from tests.support.serving import Company, ServedRoony, Server

ADMIN = "/api/v1/admin"
USERS = f"{ADMIN}/users"
WORDS, OTHERS = "correct horse battery staple", "quite another row of words"


class Browser:
    """Keeps cookies and follows nothing by itself."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=30, trust_env=False, verify=False)

    @property
    def session(self) -> str:
        return self.http.cookies[COOKIE]

    def form(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
        """A form as a page of ours sends it."""
        return self.http.post(path, data=fields, headers=headers or {})

    def sign_in(self, email: str, password: str = WORDS, **more: str) -> httpx2.Response:
        return self.form("/sign-in", email=email, password=password, **more)

    def api(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx2.Response:
        """A call as our script makes it; `token` in place of the session's own."""
        headers = {"X-Roony-CSRF": csrf_token(self.session) if token is None else token, **more.pop("headers", {})}
        return self.http.request(method, f"{ADMIN}{path}", headers=headers, **more)

    def is_in(self) -> bool:
        """True while the session opens pages and the API; both must agree."""
        page, call = self.http.get("/account"), self.http.get(f"{ADMIN}/me")
        assert (page.status_code, call.status_code) in {(200, 200), (303, 401)}
        return call.status_code == 200


@pytest.fixture
def browser(roony: ServedRoony) -> Iterator[Browser]:
    made = Browser(roony.url)
    yield made
    made.http.close()


def person(roony: ServedRoony, company: Company, role: str = "owner") -> dict[str, Any]:
    """A user who has chosen WORDS."""
    email = f"{roony.context.new_id('ann')}@example.com"
    user: dict[str, Any] = company.owner.send("POST", USERS, {"name": "Ann", "email": email, "role": role}, 201)
    url = company.owner.send("POST", f"{USERS}/{user['id']}/invitation", {}, 201)["url"]
    visitor = Browser(roony.url)
    used = visitor.form("/welcome", ticket=parse_qs(urlsplit(url).query)["ticket"][0], password=WORDS)
    assert used.status_code == 303
    visitor.http.close()
    return user


def test_wrong_passwords_lock_for_longer_and_longer(roony: ServedRoony, company: Company, browser: Browser) -> None:
    user = person(roony, company)
    tries = [browser.sign_in(user["email"], "wrong").status_code for _ in range(FREE_FAILURES + 1)]
    assert tries == [401] * FREE_FAILURES + [429]
    locked = browser.sign_in(user["email"])
    assert (locked.status_code, COOKIE in browser.http.cookies) == (429, False)
    roony.context.clock.advance(FIRST_WAIT + 1)  # type: ignore[attr-defined]
    assert browser.sign_in(user["email"], "wrong").status_code == 429
    row = roony.books.row(Tries, key=of_address(user["email"]))
    assert row.locked_until - roony.context.clock() == 2 * FIRST_WAIT * 1_000_000
    roony.context.clock.advance(2 * FIRST_WAIT + 1)  # type: ignore[attr-defined]
    assert browser.sign_in(user["email"]).status_code == 303
    # Whoever was wrong before may be somebody else: a right password takes back its own try alone.
    assert roony.books.row(Tries, key=row.key).failures == FREE_FAILURES + 2


def test_nobody_learns_which_addresses_there_are(roony: ServedRoony, company: Company, browser: Browser) -> None:
    user = person(roony, company)
    known, unknown = browser.sign_in(user["email"], "wrong"), browser.sign_in("nobody@example.com", "wrong")
    assert known.status_code == unknown.status_code == 401
    assert known.text.replace(user["email"], "nobody@example.com") == unknown.text


def test_each_sign_in_is_a_new_session_and_ends_the_one_before(
    roony: ServedRoony, company: Company, browser: Browser
) -> None:
    user = person(roony, company)
    browser.sign_in(user["email"])
    first = browser.session
    browser.sign_in(user["email"])
    assert first != browser.session
    assert roony.books.row(AccessKey, hash=text_hash(first)).revoked_at is not None
    assert browser.is_in()
    # Nobody's session is taken over by bringing its name along.
    assert browser.form("/sign-out", csrf=csrf_token(browser.session)).status_code == 303
    assert COOKIE not in browser.http.cookies
    browser.http.cookies.set(COOKIE, first)
    assert not browser.is_in()


def test_a_session_ends_when_it_is_not_used_and_in_any_case(
    roony: ServedRoony, company: Company, browser: Browser
) -> None:
    user, clock = person(roony, company), roony.context.clock
    browser.sign_in(user["email"])
    clock.advance(IDLE_SECONDS - 60)  # type: ignore[attr-defined]
    row = roony.books.row(AccessKey, hash=text_hash(browser.session))
    assert browser.is_in()
    clock.advance(2 * 60)  # type: ignore[attr-defined]
    roony.books.put(row._replace(last_used_at=row.created_at))
    assert not browser.is_in()
    browser.http.cookies.clear()
    browser.sign_in(user["email"])
    row = roony.books.row(AccessKey, hash=text_hash(browser.session))
    clock.advance(SESSION_SECONDS - 60)  # type: ignore[attr-defined]
    roony.books.put(row._replace(last_used_at=clock()))
    assert browser.is_in()
    clock.advance(60)  # type: ignore[attr-defined]
    assert not browser.is_in()


def test_a_change_needs_the_sessions_token_and_a_page_of_ours(
    roony: ServedRoony, company: Company, browser: Browser
) -> None:
    browser.sign_in(person(roony, company)["email"])
    project = {"name": "P"}
    other = Browser(roony.url)
    other.sign_in(person(roony, company)["email"])
    for token in ("", "0" * 64, csrf_token(other.session)):
        answer = browser.api("POST", "/projects", token, json=project)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_form_token"), token
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        answer = browser.api("POST", "/projects", json=project, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_form"), headers
        assert browser.form("/sign-in", headers, email="a@example.com", password=WORDS).status_code == 403
    assert browser.api("GET", "/projects", "", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
    assert browser.form("/sign-out", csrf=csrf_token(other.session)).status_code == 403
    assert browser.form("/sign-out").status_code == 403
    assert browser.is_in()
    assert browser.api("POST", "/projects", json=project, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 201
    other.http.close()


def test_no_change_of_the_api_is_taken_without_the_sessions_own_token(
    roony: ServedRoony, company: Company, browser: Browser
) -> None:
    browser.sign_in(person(roony, company)["email"])
    others = csrf_token("roony_session_of_somebody_else")
    changes = [(method, path) for method, path in PERMISSIONS if path.startswith(ADMIN) and method != "GET"]
    assert len(changes) > 60
    for method, path in changes:
        address = re.sub(r"{\w+}", "id_1", path.removeprefix(ADMIN))
        for token in ("", others):
            answer = browser.api(method, address, token)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_form_token"), (method, path)
    assert browser.is_in()


def test_what_does_more_than_read_needs_the_token_also_as_a_get(
    roony: ServedRoony, company: Company, browser: Browser
) -> None:
    """A link on a page of somebody else brings the session along; it must not set anything going at Stripe."""
    browser.sign_in(person(roony, company)["email"])
    paths = [
        path
        for (method, path), needed in PERMISSIONS.items()
        if path.startswith(ADMIN) and method == "GET" and needed != "read"
    ]
    assert f"{ADMIN}/connections/{{id}}/preflight" in paths
    for path in paths:
        address = path.removeprefix(ADMIN).replace("{id}", "con_1")
        assert browser.api("GET", address, "").json()["error"]["code"] == "wrong_form_token", path
        assert browser.api("GET", address).status_code in (200, 404, 422), path


def test_a_page_left_open_does_not_keep_its_session_open(
    roony: ServedRoony, company: Company, browser: Browser
) -> None:
    browser.sign_in(person(roony, company)["email"])
    _, agent = company.agent()

    def last_used() -> int | None:
        # What waits at the till before this is written with it.
        roony.books.till.write_and_wait(lambda _writer: None)
        row: AccessKey = roony.books.row(AccessKey, hash=text_hash(browser.session))
        return row.last_used_at

    with browser.http.stream("GET", f"{ADMIN}/stream") as answer:
        events = parsed(answer.iter_lines())
        next(events)
        opened = last_used()
        assert opened == roony.context.clock()
        roony.context.clock.advance(2 * 60)  # type: ignore[attr-defined]
        body = {"amount": 1, "currency": "usd", "description": "x", "merchant": {"name": "Figma"}}
        agent.send("POST", "/api/v1/purchase_intents", body, 201)
        assert next(event.type for event in events if event.type)
        assert last_used() == opened
    assert browser.http.get("/account", headers={"X-Roony-By-Itself": "1"}).status_code == 200
    assert last_used() == opened
    assert browser.http.get("/account").status_code == 200
    assert last_used() == roony.context.clock()


def test_a_session_is_no_key(roony: ServedRoony, company: Company, browser: Browser) -> None:
    browser.sign_in(person(roony, company)["email"])
    stolen = roony.caller(browser.session)
    for path in (f"{ADMIN}/me", "/api/v1/budgets"):
        assert stolen.refused(403, "GET", path)["code"] == "wrong_kind_of_key"
    # And a key is no session.
    assert company.owner.key is not None
    browser.http.cookies.clear()
    browser.http.cookies.set(COOKIE, company.owner.key)
    assert not browser.is_in()


def test_a_disabled_user_is_out_at_once(roony: ServedRoony, company: Company, browser: Browser) -> None:
    user = person(roony, company, "admin")
    browser.sign_in(user["email"])
    assert browser.is_in()
    company.owner.send("PATCH", f"{USERS}/{user['id']}", {"disabled": True})
    assert not browser.is_in()
    assert browser.sign_in(user["email"]).status_code == 401


def test_a_sign_in_leads_to_pages_of_ours_alone(roony: ServedRoony, company: Company, browser: Browser) -> None:
    email = person(roony, company)["email"]
    assert browser.sign_in(email, next="/account?a=b").headers["location"] == "/account?a=b"
    for elsewhere in ("//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", ""):
        assert browser.sign_in(email, next=elsewhere).headers["location"] == "/", elsewhere


def test_a_persons_own_sessions_are_listed_and_ended(roony: ServedRoony, company: Company, browser: Browser) -> None:
    user, other = person(roony, company, "viewer"), Browser(roony.url)
    browser.sign_in(user["email"])
    other.sign_in(user["email"])
    me = browser.api("GET", "/me").json()
    rows = [row["id"] for row in browser.api("GET", "/me/sessions").json()["data"]]
    # One is of the invitation.
    assert len(rows) == 3
    assert (me["user_id"], me["key_id"] in rows) == (user["id"], True)
    assert browser.api("DELETE", f"/me/sessions/{me['key_id']}").json()["error"]["code"] == "own_key"
    for id in set(rows) - {me["key_id"]}:
        assert browser.api("DELETE", f"/me/sessions/{id}").status_code == 200
    assert browser.is_in()
    assert not other.is_in()
    other.http.close()


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(
    roony: ServedRoony, company: Company, browser: Browser
) -> None:
    user, other = person(roony, company, "viewer"), Browser(roony.url)
    browser.sign_in(user["email"])
    other.sign_in(user["email"])

    def change(old: str, new: str) -> tuple[int, str | None, str | None]:
        answer = browser.api("PUT", "/me/password", json={"old": old, "new": new})
        error = answer.json().get("error", {})
        return answer.status_code, error.get("code"), error.get("field")

    assert change("wrong", OTHERS) == (422, "wrong_password", "old")
    assert roony.books.row(Tries, key=of_user(company.id, user["id"])).failures == 1
    assert change(WORDS, "short") == (422, "weak_password", "new")
    assert other.is_in()
    assert change(WORDS, OTHERS) == (200, None, None)
    assert browser.is_in()
    assert not other.is_in()
    assert browser.sign_in(user["email"]).status_code == 401
    assert browser.sign_in(user["email"], OTHERS).status_code == 303
    # A stolen session guesses no faster than anybody else.
    tries = [change("wrong", WORDS)[:2] for _ in range(FREE_FAILURES + 2)]
    assert tries[FREE_FAILURES + 1] == (429, "locked")
    other.http.close()


def test_a_program_of_the_owners_has_no_password(company: Company) -> None:
    error = company.owner.refused(409, "PUT", f"{ADMIN}/me/password", {"old": WORDS, "new": OTHERS})
    assert error["code"] == "no_password"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_the_same_by_session_on_every_route(
    roony: ServedRoony, company: Company, browser: Browser, role: str
) -> None:
    browser.sign_in(person(roony, company, role)["email"])
    for (method, path), permission in PERMISSIONS.items():
        if not path.startswith(ADMIN):
            continue
        address = path.removeprefix(ADMIN).replace("{id}", "id_1").replace("{key_id}", "id_2")
        answer = browser.api(
            method, address.replace("{scope_id}", "id_3"), content=b"no json", headers={"Last-Event-ID": "none"}
        )
        if may(role, permission):
            assert answer.status_code not in (401, 403, 500), (method, path, answer.text)
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "role_too_low"), (method, path)


def test_a_stream_ends_with_its_session(roony: ServedRoony, company: Company, browser: Browser) -> None:
    """What happens afterwards is not told any more."""
    browser.sign_in(person(roony, company, "viewer")["email"])
    _, agent = company.agent()
    with browser.http.stream("GET", f"{ADMIN}/stream") as answer:
        events = parsed(answer.iter_lines())
        next(events)
        browser.form("/sign-out", csrf=csrf_token(browser.session))
        body = {"amount": 1, "currency": "usd", "description": "x", "merchant": {"name": "Figma"}}
        agent.send("POST", "/api/v1/purchase_intents", body, 201)
        assert [event.type for event in events if event.type] == []


@contextmanager
def https(roony: ServedRoony) -> Iterator[Browser]:
    """The same books behind a proxy that speaks TLS for them."""
    context = dataclasses.replace(roony.context, public_url=lambda: "https://roony.example.com")
    options = AppOptions(trusted_proxies=parse_networks(["127.0.0.1"]))
    with Server(create_app(context, options)) as server:
        made = Browser(server.url)
        yield made
        made.http.close()


def test_what_the_cookie_is_good_for(roony: ServedRoony, company: Company, browser: Browser) -> None:
    user = person(roony, company)
    session, known = browser.sign_in(user["email"]).headers.get_list("set-cookie")
    flags = {part.strip().lower() for part in session.split(";")[1:]}
    assert {part.strip().lower() for part in known.split(";")[1:]} == flags - {f"max-age={SESSION_SECONDS}"} | {
        f"max-age={BROWSER_SECONDS}"
    }
    assert flags == {"httponly", "samesite=lax", "path=/", f"max-age={SESSION_SECONDS}"}
    with https(roony) as secure:
        cookie, known = secure.sign_in(user["email"]).headers.get_list("set-cookie")
        assert known.startswith("__Host-roony_browser=")
        assert cookie.startswith("__Host-roony_session=")
        assert {part.strip().lower() for part in cookie.split(";")[1:]} == flags | {"secure"}
        # A cookie that a neighbour without https could have set is none.
        assert secure.http.get("/account", headers={"Cookie": f"{COOKIE}={browser.session}"}).status_code == 303
        given = {"Cookie": f"__Host-roony_session={browser.session}"}
        assert secure.http.get("/account", headers=given).status_code == 200


def test_one_place_may_try_so_often(roony: ServedRoony) -> None:
    """Whoever has IPv6 has more addresses than anybody could count."""
    with https(roony) as somebody:

        def tried(address: str, number: int = 0) -> int:
            # Each for a user of its own, so that none is locked.
            form = {"email": f"{number}@example.com", "password": "x"}
            return somebody.form("/sign-in", {"X-Forwarded-For": address}, **form).status_code

        tries = [tried(f"2001:db8::{number:x}", number) for number in range(TRIES_PER_MINUTE + 1)]
        assert tries == [401] * TRIES_PER_MINUTE + [429]
        assert somebody.form("/welcome", {"X-Forwarded-For": "2001:db8::"}, ticket="x").status_code == 429
        assert [tried("2001:db8:0:1::"), tried("192.0.2.1")] == [401, 401]
