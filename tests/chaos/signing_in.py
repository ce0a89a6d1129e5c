"""Scenes about signing in: links that open once, passwords, passkeys and sessions."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from roony.core.agent import Organization
from roony.core.audit import AuditRecord
from roony.core.passkey import Passkey
from roony.core.sign_in import OneTimeLink, Password, Tries
from roony.flows.sign_in_tries import of_address, of_browser
from roony.store.rows import AccessKey
from roony.web.session import csrf_token
from tests.chaos.scenes import Arm, scene
from tests.support.authenticator import Authenticator
from tests.support.crashing import ADMIN, Crashable

WORDS = "correct horse battery staple"


def _ticket(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query)[name][0]


def _form(company: Crashable, path: str, **fields: Any) -> httpx2.Response:
    """A form sent by somebody who sends it again when nothing answers."""
    nobody = company.caller(None)
    return company.insist(lambda: nobody.call("POST", path, data=fields))


@scene(
    "direct", "MakeLink", "UseLink", "SignIn", "SignOut", "RecordWrongPassword", "sign_in_tries.count_try",
    "sign_in_tries.take_back", "sign_in_tries.clear_tries",
)  # fmt: skip
def a_person_signs_in_and_out(company: Crashable, arm: Arm) -> None:
    """The link opens once; a sign-in whose answer was lost left a session at most, and a sign-out leaves none open."""
    email = f"{uuid.uuid4().hex}@example.com"
    user = company.send(company.owner, "POST", f"{ADMIN}/users", {"name": "Ann", "email": email, "role": "viewer"})
    arm()
    link = company.send(company.owner, "POST", f"{ADMIN}/users/{user['id']}/invitation", {})["url"]
    used = _form(company, "/welcome", ticket=_ticket(link, "ticket"), password=WORDS)
    assert used.status_code in (303, 410)
    assert company.books.row(Password, user_id=user["id"]).email == email
    assert [row.used_at is not None for row in company.books.rows(OneTimeLink, user_id=user["id"])][-1]
    wrong = _form(company, "/sign-in", email=email, password="not the password")
    assert wrong.status_code == 401
    tries = company.books.row(Tries, key=of_address(email)).failures
    assert tries >= 1
    done = _form(company, "/sign-in", email=email, password=WORDS)
    assert done.status_code == 303
    # A right one takes no more than itself back.
    assert company.books.row(Tries, key=of_address(email)).failures >= tries
    org = company.books.row(Password, user_id=user["id"]).organization_id
    known = of_browser(done.cookies["roony_browser"], org, user["id"])
    assert company.books.row(Tries, key=known).failures == 0
    _sign_out(company, done.cookies["roony_session"])
    [row] = [row for row in company.books.rows(AccessKey, user_id=user["id"]) if row.revoked_at is not None]
    assert row.kind == "session"


def _sign_out(company: Crashable, session: str) -> None:
    nobody = company.caller(None)
    headers = {"Cookie": f"roony_session={session}"}
    out = company.insist(lambda: nobody.call("POST", "/sign-out", data={"csrf": csrf_token(session)}, headers=headers))
    assert out.status_code == 303


def _somebody_signed_in(company: Crashable) -> tuple[str, dict[str, str]]:
    """The address of a new user, and the headers of the session in which they chose their password."""
    email = f"{uuid.uuid4().hex}@example.com"
    user = company.send(company.owner, "POST", f"{ADMIN}/users", {"name": "Ann", "email": email, "role": "viewer"})
    link = company.send(company.owner, "POST", f"{ADMIN}/users/{user['id']}/invitation", {})["url"]
    session = _form(company, "/welcome", ticket=_ticket(link, "ticket"), password=WORDS).cookies["roony_session"]
    return email, {"Cookie": f"roony_session={session}", "X-Roony-CSRF": csrf_token(session)}


@scene("direct", "ChangePassword")
def a_person_chooses_another_password(company: Crashable, arm: Arm) -> None:
    """Said again after a death the old one is wrong; the new one is good either way."""
    other = "another row of plain words"
    email, headers = _somebody_signed_in(company)
    nobody = company.caller(None)
    arm()
    body = {"old": WORDS, "new": other}
    done = company.insist(lambda: nobody.call("PUT", f"{ADMIN}/me/password", body, headers=headers))
    assert done.status_code in (200, 422)
    assert _form(company, "/sign-in", email=email, password=WORDS).status_code == 401
    assert _form(company, "/sign-in", email=email, password=other).status_code == 303


@scene("direct", "OfferFirstRun", "one_time_link.start_organization")
def somebody_begins_a_company(company: Crashable, arm: Arm) -> None:
    """However often the form is sent there is one company, with one owner who can sign in."""
    arm()
    code = _ticket(company.send(company.owner, "POST", f"{ADMIN}/first_runs", {})["url"], "code")
    name, email = f"Company {uuid.uuid4().hex}", f"{uuid.uuid4().hex}@example.com"
    begun = _form(
        company, "/first-run", code=code, organization=name, name="Olive", email=email, password=WORDS, currency="usd",
        time_zone="UTC",
    )  # fmt: skip
    assert begun.status_code in (303, 410)
    [made] = [row for row in company.books.rows(Organization) if row.name == name]
    assert company.books.row(Password, email=email).organization_id == made.id
    assert _form(company, "/sign-in", email=email, password=WORDS).status_code == 303


@scene(
    "direct", "passkey_challenge.keep_challenge", "passkey_challenge.spend_challenge", "AddPasskey", "PasskeySignIn",
    "RecordFailedPasskey", "RemovePasskey",
)  # fmt: skip
def a_person_has_a_passkey(company: Crashable, arm: Arm) -> None:
    """Begun again after a death with another challenge: there is one passkey, and what is answered is a session."""
    email, headers = _somebody_signed_in(company)
    device, nobody = Authenticator(f"http://localhost:{company.port}"), company.caller(None)
    user_id = company.books.row(Password, email=email).user_id

    def add() -> httpx2.Response:
        asked = nobody.call("POST", f"{ADMIN}/me/passkeys/challenge", {}, headers=headers).json()
        body = {"ticket": asked["ticket"], "name": "Phone", "credential": device.make(asked["public_key"])}
        return nobody.call("POST", f"{ADMIN}/me/passkeys", body, headers=headers)

    def sign_in() -> httpx2.Response:
        browser = company.caller(None)
        answer = device.use(browser.call("POST", "/sign-in/passkey/challenge").json()["public_key"])
        return browser.call("POST", "/sign-in/passkey", data={"credential": json.dumps(answer)})

    arm()
    assert company.insist(add).status_code in (201, 409)
    session = company.insist(sign_in).cookies["roony_session"]
    [passkey] = company.books.rows(Passkey, user_id=user_id)
    device.count = 0
    assert company.insist(sign_in).status_code == 401
    path = f"{ADMIN}/me/passkeys/{passkey.id}"
    assert company.insist(lambda: nobody.call("DELETE", path, headers=headers)).status_code in (200, 404)
    [passkey] = company.books.rows(Passkey, user_id=user_id)
    assert passkey.removed_at is not None
    assert company.books.rows(AuditRecord, action="user.sign_in_failed", subject=user_id)
    assert company.insist(sign_in).status_code == 401
    _sign_out(company, session)
