"""Passwords under attack: many wrong ones at once, and what their waiting costs others; which sessions are ended."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from roony.core.audit import AuditRecord
from roony.core.errors import Refusal
from roony.core.sign_in import FIRST_WAIT, FORGOTTEN_SECONDS, FREE_FAILURES, LINK_SECONDS, LONGEST_WAIT
from roony.core.user import User
from roony.flows import password
from roony.flows.context import FlowContext
from roony.flows.one_time_link import make_first_run, new_link
from roony.flows.password import is_password
from roony.flows.sign_in import Attempt, sign_in
from tests.support.serving import Company, ServedRoony

ADMIN = "/api/v1/admin"
WORDS = "correct horse battery staple"


def person(roony: ServedRoony, company: Company, email: str) -> dict[str, Any]:
    """A new user with a password."""
    user: dict[str, Any] = company.owner.send(
        "POST", f"{ADMIN}/users", {"name": "Ann", "email": email, "role": "viewer"}, 201
    )
    link = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/invitation", {}, 201)["url"]
    ticket = parse_qs(urlsplit(link).query)["ticket"][0]
    done = roony.caller().call("POST", "/welcome", data={"ticket": ticket, "password": WORDS})
    assert done.status_code == 303, done.text
    return user


def test_wrong_passwords_at_once_are_worth_no_more_than_one_by_one(roony: ServedRoony, company: Company) -> None:
    """All are compared before the first is counted; those above what is free say no more than that it is locked."""
    person(roony, company, "ann@at-once.example")

    async def many(context: FlowContext) -> list[Any]:
        tries = (sign_in(context, Attempt("ann@at-once.example", f"wrong words {n}")) for n in range(FREE_FAILURES + 4))
        return await asyncio.gather(*tries)

    answers = roony.run(many)
    assert all(isinstance(answer, Refusal) for answer in answers)
    assert Counter(answer.code for answer in answers) == {"wrong_password": FREE_FAILURES, "locked": 4}


LOCKED_OUT = ["wrong_password"] * FREE_FAILURES + ["locked"] * 2


def wrong(
    roony: ServedRoony, email: str, times: int = FREE_FAILURES + 2, organization: str | None = None, known_by: str = ""
) -> list[str]:
    """What somebody who tries a wrong password so often is told."""

    async def tried(context: FlowContext) -> list[str]:
        attempt = Attempt(email, "wrong", organization, known_by=known_by)
        answers = [await sign_in(context, attempt) for _ in range(times)]
        return [answer.code for answer in answers if isinstance(answer, Refusal)]

    return roony.run(tried)


def test_an_address_that_nobody_has_is_locked_like_any_other(roony: ServedRoony, company: Company) -> None:
    person(roony, company, "ann@there.example")
    for email in ("ann@there.example", "ann@nowhere.example"):
        assert wrong(roony, email) == LOCKED_OUT
        # Nor does naming an organization tell them apart.
        assert wrong(roony, email, 1, company.id) == ["locked"]
    roony.context.clock.advance(FORGOTTEN_SECONDS + LONGEST_WAIT)  # type: ignore[attr-defined]
    assert wrong(roony, "ann@nowhere.example") == LOCKED_OUT


def test_a_stranger_locks_nobody_out_of_a_browser_they_know(roony: ServedRoony, company: Company) -> None:
    mine, others = "ann@known.example", "ben@known.example"
    for email in (mine, others):
        person(roony, company, email)

    def codes(*emails: str) -> list[int]:
        return [http.post("/sign-in", data={"email": email, "password": WORDS}).status_code for email in emails]

    with httpx2.Client(base_url=roony.url, trust_env=False, timeout=60) as http:
        assert codes(mine) == [303]
        del http.cookies["roony_session"]
        for email in (mine, others):
            assert wrong(roony, email, known_by="A" * 43) == LOCKED_OUT
        # It is known for those alone who signed in with it.
        assert codes(others, mine) == [429, 303]
        # Its own wrong tries are counted as well.
        assert wrong(roony, mine, known_by=http.cookies["roony_browser"]) == LOCKED_OUT


def test_who_shares_an_address_with_somebody_guesses_no_more(roony: ServedRoony) -> None:
    """An owner of one organization makes a user with the address of somebody in another, and signs in as that one."""
    here, there, email = roony.company(), roony.company(), "ann@shared.example"
    for company in (here, there):
        person(roony, company, email)

    async def between(context: FlowContext) -> list[str]:
        """Wrong for the one and right for the other, which says nothing of the one, over and over."""
        told = []
        for _ in range(FREE_FAILURES + 2):
            answer = await sign_in(context, Attempt(email, "wrong", here.id))
            told.append(answer.code if isinstance(answer, Refusal) else "")
            await sign_in(context, Attempt(email, WORDS, there.id))
        return told

    assert roony.run(between) == LOCKED_OUT


def test_passwords_that_wait_keep_nothing_else_waiting(roony: ServedRoony) -> None:
    """They have threads of their own: one is compared while the threads of everything else are all taken."""
    taken = threading.Event()

    async def compare(_context: FlowContext) -> bool:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, taken.wait)
        try:
            async with asyncio.timeout(20):
                return await is_password(None, WORDS)
        finally:
            taken.set()
            await busy

    assert roony.run(compare) is False


def test_a_full_queue_of_passwords_is_said_and_moves_on(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told as busy in the page and by the API, with when to come again; then everybody has a turn again, and nothing
    was counted against anybody: not even at a gate whose every further try locks it."""
    user = person(roony, company, "ann@queue.example")
    key = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/keys", {}, 201)["key"]
    form, body = {"email": "ann@queue.example", "password": WORDS}, {"old": WORDS, "new": "another row of words"}
    assert wrong(roony, "ann@queue.example") == LOCKED_OUT
    roony.context.clock.advance(FIRST_WAIT)  # type: ignore[attr-defined]
    with monkeypatch.context() as full:
        full.setattr(password, "_places", threading.BoundedSemaphore(1))
        password._places.acquire()
        for _ in range(FREE_FAILURES + 2):
            page = roony.caller().call("POST", "/sign-in", data=form)
            call = roony.caller(key).call("PUT", f"{ADMIN}/me/password", body)
            for answer in (page, call):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        password._places.release()
        # One place is enough for one after the other: each gives it back.
        assert [roony.caller().call("POST", "/sign-in", data=form).status_code for _ in range(2)] == [303, 303]
        assert roony.caller(key).call("PUT", f"{ADMIN}/me/password", body).status_code == 200


def test_a_key_is_no_session_to_end(roony: ServedRoony, company: Company) -> None:
    user = person(roony, company, "ann@sessions.example")
    first, second = (company.owner.send("POST", f"{ADMIN}/users/{user['id']}/keys", {}, 201) for _ in range(2))
    caller = roony.caller(first["key"])
    [session] = caller.get(f"{ADMIN}/me/sessions")["data"]
    caller.refused(404, "DELETE", f"{ADMIN}/me/sessions/{second['id']}")
    roony.caller(second["key"]).get(f"{ADMIN}/me")
    caller.send("DELETE", f"{ADMIN}/me/sessions/{session['id']}")
    assert caller.get(f"{ADMIN}/me/sessions")["data"] == []


def test_who_is_let_in_again_gets_in_by_nothing_from_before(roony: ServedRoony, company: Company) -> None:
    """Neither the password nor an invitation that was made before the user was disabled."""
    user = person(roony, company, "ann@let-in.example")
    invited = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/invitation", {}, 201)["url"]
    for disabled in (True, False):
        company.owner.send("PATCH", f"{ADMIN}/users/{user['id']}", {"disabled": disabled})
    nobody = roony.caller()
    sent = {"email": "ann@let-in.example", "password": WORDS}
    assert nobody.call("POST", "/sign-in", data=sent).status_code == 401
    ticket = parse_qs(urlsplit(invited).query)["ticket"][0]
    assert nobody.call("POST", "/welcome", data={"ticket": ticket, "password": WORDS}).status_code == 410
    again = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/invitation", {}, 201)["url"]
    ticket = parse_qs(urlsplit(again).query)["ticket"][0]
    assert nobody.call("POST", "/welcome", data={"ticket": ticket, "password": WORDS}).status_code == 303


def test_who_has_no_password_any_more_has_none_that_is_right(roony: ServedRoony, company: Company) -> None:
    """Not even the one that an unknown address is compared with, so that it takes as long: it stands in the code."""
    user = person(roony, company, "ann@none-left.example")
    for disabled in (True, False):
        company.owner.send("PATCH", f"{ADMIN}/users/{user['id']}", {"disabled": disabled})
    key = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/keys", {}, 201)["key"]
    caller, body = roony.caller(key), {"old": password.NOBODYS, "new": "another row of words"}
    assert caller.refused(409, "PUT", f"{ADMIN}/me/password", body)["code"] == "no_password"
    asked = {"password": password.NOBODYS}
    assert caller.refused(409, "POST", f"{ADMIN}/me/passkeys/challenge", asked)["code"] == "no_password"
    sent = {"email": "ann@none-left.example", "password": password.NOBODYS}
    assert roony.caller().call("POST", "/sign-in", data=sent).status_code == 401
    for hashed in ("", None):
        assert asyncio.run(is_password(hashed, password.NOBODYS)) is False


def test_a_link_to_an_address_that_was_wrong_opens_nothing_once_it_is_mended(
    roony: ServedRoony, company: Company
) -> None:
    user = person(roony, company, "ann@typo.example")
    invited = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/invitation", {}, 201)["url"]
    company.owner.send("PATCH", f"{ADMIN}/users/{user['id']}", {"name": "Anne"})
    assert roony.caller().call("GET", urlsplit(invited).path, params=parse_qs(urlsplit(invited).query)).is_success
    company.owner.send("PATCH", f"{ADMIN}/users/{user['id']}", {"email": "ann@right.example"})
    form = {"ticket": parse_qs(urlsplit(invited).query)["ticket"][0], "password": WORDS}
    assert roony.caller().call("POST", "/welcome", data=form).status_code == 410


def test_a_link_opens_in_its_time_alone_and_lets_in_who_is_locked_out(roony: ServedRoony, company: Company) -> None:
    """As the role is when it is opened; whoever tries passwords meanwhile keeps nobody from it."""
    email, nobody, clock = "ann@link.example", roony.caller(), roony.context.clock
    user = person(roony, company, email)

    def link() -> dict[str, str]:
        url = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/invitation", {}, 201)["url"]
        return {"ticket": parse_qs(urlsplit(url).query)["ticket"][0]}

    def look_and_use(ticket: dict[str, str]) -> list[int]:
        sent = {**ticket, "password": "another row of words"}
        return [
            nobody.call("GET", "/welcome", params=ticket).status_code,
            nobody.call("POST", "/welcome", data=sent).status_code,
        ]

    late, replaced = link(), link()
    assert look_and_use(late) == [410, 410]
    late = replaced
    clock.advance(LINK_SECONDS["invitation"] - 1)  # type: ignore[attr-defined]
    assert nobody.call("GET", "/welcome", params=late).status_code == 200
    clock.advance(1)  # type: ignore[attr-defined]
    assert look_and_use(late) == [410, 410]
    good = link()
    assert wrong(roony, email) == LOCKED_OUT
    assert nobody.call("POST", "/sign-in", data={"email": email, "password": WORDS}).status_code == 429
    company.owner.send("PATCH", f"{ADMIN}/users/{user['id']}", {"role": "approver"})
    with httpx2.Client(base_url=roony.url, trust_env=False, timeout=60) as http:
        assert http.post("/welcome", data={**good, "password": "another row of words"}).status_code == 303
        assert http.get(f"{ADMIN}/me").json()["role"] == "approver"
        # Its browser is known from now on.
        again = {"email": email, "password": "another row of words"}
        assert http.post("/sign-in", data=again).status_code == 303
    assert nobody.call("POST", "/sign-in", data=again).status_code == 429
    assert look_and_use(good) == [410, 410]


def test_one_printed_link_to_a_first_run_ends_those_of_all_starts_before(
    roony: ServedRoony, company: Company
) -> None:  # fmt: skip
    """They lie in logs. One that an owner gave out is somebody else's, and stays good."""
    given = company.owner.send("POST", f"{ADMIN}/first_runs", {}, 201)["url"]
    printed = [new_link("first_run") for _ in range(2)]
    for link in printed:
        roony.books.till.write_and_wait(make_first_run(link, roony.context.clock()))

    def begin(code: str, name: str) -> int:
        form = {
            "code": code, "organization": name, "name": "Olive", "email": f"{name}@printed.example",
            "password": WORDS, "currency": "usd", "time_zone": "UTC",
        }  # fmt: skip
        return roony.caller().call("POST", "/first-run", data=form).status_code

    assert begin(printed[1].ticket, "first") == 303
    assert begin(printed[0].ticket, "second") == 410
    assert begin(parse_qs(urlsplit(given).query)["code"][0], "third") == 303


def test_a_link_to_a_first_run_is_good_for_a_day(roony: ServedRoony, company: Company) -> None:
    link = company.owner.send("POST", f"{ADMIN}/first_runs", {}, 201)["url"]
    form = {
        "code": parse_qs(urlsplit(link).query)["code"][0], "organization": "Third", "name": "Olive",
        "email": "olive@late.example", "password": WORDS, "currency": "usd", "time_zone": "UTC",
    }  # fmt: skip
    roony.context.clock.advance(LINK_SECONDS["first_run"])  # type: ignore[attr-defined]
    assert roony.caller().call("POST", "/first-run", data=form).status_code == 410
    assert [row for row in roony.books.rows(User) if row.email == form["email"]] == []


def test_a_first_run_is_on_record_from_its_link_to_its_owner(roony: ServedRoony, company: Company) -> None:
    link = company.owner.send("POST", f"{ADMIN}/first_runs", {}, 201)["url"]
    offered = company.owner.get(f"{ADMIN}/audit", params={"limit": 200})["data"]
    assert "organization.first_run_offered" in {row["action"] for row in offered}
    form = {
        "code": parse_qs(urlsplit(link).query)["code"][0], "organization": "Second", "name": "Olive",
        "email": "olive@first-run.example", "password": WORDS, "currency": "usd", "time_zone": "UTC",
    }  # fmt: skip
    begun = roony.caller().call("POST", "/first-run", data=form)
    assert begun.status_code == 303
    [row] = [row for row in roony.books.rows(User) if row.email == "olive@first-run.example"]
    [record] = [one for one in roony.books.rows(AuditRecord, organization_id=row.organization_id) if one.sequence == 1]
    assert json.loads(record.body)["owner"]["user"] == row.id
    assert roony.caller().call("POST", "/first-run", data=form).status_code == 410
