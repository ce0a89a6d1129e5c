"""Passkeys over HTTP, with a device that may be wrong in any one place: refused in words, on record, nothing left."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from roony.core.audit import AuditRecord
from roony.core.hashing import text_hash
from roony.core.passkey import FRESH_SECONDS, Passkey, site_of
from roony.core.sign_in import FIRST_WAIT, FREE_FAILURES, LINK_SECONDS, Password, Tries
from roony.flows.context import FlowContext
from roony.flows.passkey_registration import OVER
from roony.flows.passkey_sign_in import PasskeyAttempt, sign_in_with_passkey
from roony.flows.password import hash_password
from roony.flows.sign_in_tries import of_user
from roony.store.rows import AccessKey
from roony.web.dashboard import passkey_sign_in
from roony.web.session import COOKIE, csrf_token, page_url
from tests.support.authenticator import PRESENT, VERIFIED, Authenticator
from tests.support.serving import Company, ServedRoony
from tests.web.conftest import session_of

ME = "/api/v1/admin/me"
WORDS = "correct horse battery staple"


class Browser:
    """Keeps cookies; signed in with a session that began at this moment, unless it is told otherwise."""

    def __init__(self, roony: ServedRoony, session: str | None = None) -> None:
        self.roony = roony
        cookies = {} if session is None else {COOKIE: session}
        self.http = httpx2.Client(base_url=roony.url, timeout=30, trust_env=False, verify=False, cookies=cookies)

    def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A call as our script makes it."""
        headers = {"X-Roony-CSRF": csrf_token(self.http.cookies[COOKIE])}
        answer = self.http.request(method, f"{ME}{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    def add(self, device: Authenticator, name: str = "Phone", **ask: Any) -> tuple[int, Any]:
        """Adds the device's passkey."""
        status, asked = self.api("POST", "/passkeys/challenge", ask)
        if status != 200:
            return status, asked
        made = device.make(asked["public_key"])
        return self.api("POST", "/passkeys", {"ticket": asked["ticket"], "name": name, "credential": made})

    def challenge(self) -> Any:
        """What the sign-in page's script is told to ask for."""
        answer = self.http.post("/sign-in/passkey/challenge")
        assert answer.status_code == 200, answer.text
        return answer.json()["public_key"]

    def send(self, answer: Any, **more: str) -> httpx2.Response:
        """The sign-in page's form."""
        return self.http.post("/sign-in/passkey", data={"credential": json.dumps(answer), **more})


class Person(Browser):
    """A user of the company in a browser, with a device that has a passkey."""

    def __init__(self, roony: ServedRoony, company: Company) -> None:
        self.email = f"{roony.context.new_id('ann')}@example.com"
        body = {"name": "Ann", "email": self.email, "role": "viewer"}
        self.company = company
        self.id = str(company.owner.send("POST", "/api/v1/admin/users", body, 201)["id"])
        super().__init__(roony, session_of(roony, company, self.id))
        self.device = self.new_device()

    def new_device(self, **wrong: Any) -> Authenticator:
        """A device in front of this Roony, as people open it."""
        return Authenticator(**{"origin": page_url(self.roony.context, ""), **wrong})

    def failures(self) -> list[str]:
        """Why passkeys of this person were refused, as the audit log tells it."""
        rows = self.roony.books.rows(AuditRecord, organization_id=self.company.id, action="user.sign_in_failed")
        return [json.loads(row.body)["problem"] for row in rows if row.subject == self.id]

    def sessions(self) -> int:
        return len(self.roony.books.rows(AccessKey, user_id=self.id))


@pytest.fixture
def ann(roony: ServedRoony, company: Company) -> Iterator[Person]:
    person = Person(roony, company)
    assert person.add(person.device)[0] == 201
    yield person
    person.http.close()


@pytest.fixture
def other(roony: ServedRoony) -> Iterator[Browser]:
    """A browser in which nobody is signed in."""
    browser = Browser(roony)
    yield browser
    browser.http.close()


def test_a_device_signs_its_user_in_without_address_or_password(ann: Person, other: Browser) -> None:
    asked = other.challenge()
    assert (asked["rpId"], asked["userVerification"], asked["allowCredentials"]) == ("localhost", "required", [])
    done = other.send(ann.device.use(asked), next="/account")
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    row = ann.roony.books.row(AccessKey, hash=text_hash(other.http.cookies[COOKIE]))
    assert (row.user_id, row.kind) == (ann.id, "session")
    assert other.api("GET", "")[1]["user_id"] == ann.id
    assert passkey_sign_in.COOKIE not in other.http.cookies
    # It takes the place of the session that was there, as after a password.
    assert other.send(ann.device.use(other.challenge())).status_code == 303
    assert ann.roony.books.row(AccessKey, hash=row.hash).revoked_at is not None
    assert ann.failures() == []


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "the page of somebody else": ({"origin": "https://evil.example"}, "wrong_site", "Open Roony there."),
    "another site's passkey": ({"rp_id": "evil.example"}, "passkey_refused", "not accepted"),
    "a device that asks nobody": ({"flags": PRESENT}, "passkey_refused", "not accepted"),
    "a device nobody touches": ({"flags": VERIFIED}, "passkey_refused", "not accepted"),
}


def test_what_a_device_or_page_may_not_be(ann: Person, other: Browser) -> None:
    before, good = ann.sessions(), dict(vars(ann.device))
    for case, (wrong, code, words) in WRONG.items():
        vars(ann.device).update({**good, "count": ann.device.count, **wrong})
        refused = other.send(ann.device.use(other.challenge()))
        assert (refused.status_code, words in refused.text) == (401, True), case
        status, body = ann.add(ann.new_device(**wrong))
        assert (status, body["error"]["code"], body["error"]["field"]) == (422, code, "credential"), case
    assert ann.failures() == [code for _, code, _ in WRONG.values()]
    assert (ann.sessions(), COOKIE in other.http.cookies) == (before, False)
    assert len(ann.roony.books.rows(Passkey, user_id=ann.id)) == 1


def test_the_id_of_a_passkey_is_as_long_as_the_specification_allows(ann: Person) -> None:
    for length, status in ((1_023, 201), (1_024, 422)):
        device = ann.new_device()
        device.id = secrets.token_bytes(length)
        assert ann.add(device)[0] == status


def test_a_challenge_is_answered_once_in_time_and_where_it_was_asked(ann: Person, other: Browser) -> None:
    answer = ann.device.use(other.challenge())
    ticket = other.http.cookies[passkey_sign_in.COOKIE]
    thief = Browser(ann.roony)
    # Whoever overhears challenge and answer has not the ticket; with one of their own it is another challenge.
    assert "took too long" in thief.send(answer).text
    thief.challenge()
    assert thief.send(answer).status_code == 401
    assert other.send(answer).status_code == 303
    other.http.cookies.set(passkey_sign_in.COOKIE, ticket)
    assert other.send(answer).status_code == 409
    late = ann.device.use(other.challenge())
    ann.roony.context.clock.advance(LINK_SECONDS["passkey"])  # type: ignore[attr-defined]
    assert other.send(late).status_code == 409
    assert ann.failures() == ["challenge_over", "passkey_refused", "challenge_over", "challenge_over"]
    thief.http.close()


def test_a_passkey_refused_over_and_over_is_on_record_as_seldom_as_wrong_passwords(ann: Person, other: Browser) -> None:
    """Whoever knows its id can be refused with it for ever; that keeps nobody out either."""
    roony, most = ann.roony, FREE_FAILURES + 1
    attempt = PasskeyAttempt("no such ticket", {"id": roony.books.row(Passkey, user_id=ann.id).credential_id})

    async def refused(context: FlowContext) -> set[Any]:
        site = site_of(page_url(context, ""))
        assert site is not None
        return {await sign_in_with_passkey(context, site, attempt) for _ in range(most + 3)}

    assert roony.run(refused) == {OVER}
    assert ann.failures() == ["challenge_over"] * most
    assert other.send(ann.device.use(other.challenge())).status_code == 303
    roony.context.clock.advance(FIRST_WAIT)  # type: ignore[attr-defined]
    assert roony.run(refused) == {OVER}
    assert len(ann.failures()) == most + 1


def test_a_device_that_counts_back_is_a_copy(ann: Person, other: Browser) -> None:
    assert other.send(ann.device.use(other.challenge())).status_code == 303
    ann.device.count -= 1
    refused = Browser(ann.roony)
    answer = refused.send(ann.device.use(refused.challenge()))
    assert (answer.status_code, "may be a copy" in answer.text) == (401, True)
    assert ann.failures() == ["passkey_copied"]
    refused.http.close()


def test_nobody_signs_in_as_another_or_with_a_key_that_is_not_theirs(
    roony: ServedRoony, company: Company, ann: Person, other: Browser
) -> None:
    bob = Person(roony, company)
    bob.add(bob.device)
    handle, bob.device.handle = bob.device.handle, ann.device.handle
    assert other.send(bob.device.use(other.challenge())).status_code == 401
    bob.device.handle = handle
    answer = bob.device.use(other.challenge())
    answer["id"] = answer["rawId"] = ann.device.use(other.challenge())["id"]
    assert other.send(answer).status_code == 401
    assert COOKIE not in other.http.cookies
    assert (bob.failures(), len(ann.failures())) == (["passkey_refused"], 1)
    [row] = ann.api("GET", "/passkeys")[1]["data"]
    assert bob.api("DELETE", f"/passkeys/{row['id']}")[0] == 404
    bob.http.close()


def test_who_is_disabled_or_removed_it_is_out(company: Company, ann: Person, other: Browser) -> None:
    [row] = ann.api("GET", "/passkeys")[1]["data"]
    assert (row["name"], row["last_used_at"]) == ("Phone", None)
    second = ann.new_device()
    assert ann.add(second, "Laptop")[0] == 201
    assert ann.api("DELETE", f"/passkeys/{row['id']}")[0] == 200
    assert "not known here any more" in other.send(ann.device.use(other.challenge())).text
    company.owner.send("PATCH", f"/api/v1/admin/users/{ann.id}", {"disabled": True})
    company.owner.send("PATCH", f"/api/v1/admin/users/{ann.id}", {"disabled": False})
    refused = other.send(second.use(other.challenge()))
    assert (refused.status_code, COOKIE in other.http.cookies) == (401, False)


def test_a_session_that_is_not_fresh_needs_the_password(roony: ServedRoony, ann: Person) -> None:
    async def hashed(_context: Any) -> str:
        return await hash_password(WORDS)

    roony.books.put(Password(ann.company.id, ann.id, ann.email, roony.run(hashed), 1))
    roony.context.clock.advance(FRESH_SECONDS)  # type: ignore[attr-defined]
    gate = of_user(ann.company.id, ann.id)
    tries = [ann.add(ann.new_device(), **ask) for ask in ({}, {"password": "wrong"})]
    assert [status for status, _ in tries] == [422, 422]
    assert [body["error"]["field"] for _, body in tries] == ["password", "password"]
    assert roony.books.row(Tries, key=gate).failures == 1
    assert ann.add(ann.new_device(), password=WORDS)[0] == 201
    assert roony.books.row(Tries, key=gate).failures == 0


def test_a_new_passkey_is_made_in_the_session_that_asked_for_it(
    roony: ServedRoony, company: Company, ann: Person
) -> None:
    asked = ann.api("POST", "/passkeys/challenge", {})[1]
    device = ann.new_device()
    body = {"ticket": asked["ticket"], "name": "x", "credential": device.make(asked["public_key"])}
    for session in (session_of(roony, company, ann.id), session_of(roony, company, Person(roony, company).id)):
        elsewhere = Browser(roony, session)
        assert elsewhere.api("POST", "/passkeys", body)[1]["error"]["code"] == "challenge_over"
        elsewhere.http.close()
    assert ann.api("POST", "/passkeys", body)[0] == 201
    assert ann.api("POST", "/passkeys", body)[1]["error"]["code"] == "challenge_over"
    # What the device has already is named to the browser, so that it makes no second one.
    assert len(ann.api("POST", "/passkeys/challenge", {})[1]["public_key"]["excludeCredentials"]) == 2
    error = company.owner.refused(409, "POST", f"{ME}/passkeys/challenge", {})
    assert error["code"] == "no_person"


def test_what_is_no_answer_of_a_device(ann: Person, other: Browser) -> None:
    good = ann.device.use(other.challenge())
    sent = ["", "[]", "{", "{}", '{"id": 1}', "[" * 4_000, json.dumps({**good, "response": []})]
    sent += [json.dumps({**good, "response": {**good["response"], name: "AAAA"}}) for name in good["response"]]
    for text in sent:
        other.challenge()
        refused = other.http.post("/sign-in/passkey", data={"credential": text})
        assert (refused.status_code in (400, 401), COOKIE in other.http.cookies) == (True, False), text
        asked = ann.api("POST", "/passkeys/challenge", {})[1]
        made = ann.new_device().make(asked["public_key"])
        made["response"]["attestationObject"] = text
        assert ann.api("POST", "/passkeys", {"ticket": asked["ticket"], "name": "x", "credential": made})[0] == 422
