"""Passkeys as commands, on both databases: few of each user, unique everywhere, gone with their user; all audited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.audit import INSTALLATION, AuditRecord
from roony.core.hashing import text_hash
from roony.core.passkey import MAX_PASSKEYS, Passkey
from roony.core.sign_in import LINK_SECONDS, Password
from roony.flows.one_time_link import MakeLink, UseLink, new_link
from roony.flows.passkey import AddPasskey, RemovePasskey
from roony.flows.passkey_challenge import keep_challenge, spend_challenge
from roony.flows.passkey_sign_in import PasskeySignIn
from roony.flows.password_change import ChangePassword
from roony.flows.sign_in import new_session
from roony.flows.user import CreateUser, UpdateUser
from tests.support.books import NOW, ORG, Books, open_books


@pytest.fixture
def books(tmp_path: Path, database_url: str | None) -> Iterator[Books]:
    with open_books(tmp_path, database_url) as opened:
        for id in ("ann", "bob"):
            opened.run(CreateUser(ORG, f"usr_{id}", id.title(), f"{id}@example.com", "admin", "key_owner"))
        opened.put(Password(ORG, "usr_ann", "ann@example.com", "a hash", 1))
        yield opened


def add(books: Books, id: str, user: str = "usr_ann", credential: str | None = None) -> Any:
    row = Passkey(credential or f"cred_{id}", f"pky_{id}", ORG, user, id, b"key", 5, "internal", 0, None, None)
    return books.run(AddPasskey(ORG, row))


def sign_in(books: Books, id: str, count: int, user: str = "usr_ann") -> Any:
    key = new_session(f"key_{id}_{count}", "Firefox")
    return books.run(PasskeySignIn(ORG, user, f"cred_{id}", count, key))


def told(books: Books, *actions: str) -> list[tuple[str, dict[str, Any]]]:
    rows = books.rows(AuditRecord, organization_id=ORG)
    return [(row.action, json.loads(row.body)) for row in rows if row.action in actions]


def test_a_passkey_begins_a_session_as_long_as_its_device_counts_on(books: Books) -> None:
    assert add(books, "phone").created_at == NOW
    session = sign_in(books, "phone", 6)
    assert (session.kind, session.user_id, session.revoked_at) == ("session", "usr_ann", None)
    row = books.row(Passkey, id="pky_phone")
    assert (row.sign_count, row.last_used_at) == (6, NOW)
    assert sign_in(books, "phone", 6).code == "passkey_copied"
    assert sign_in(books, "phone", 0).code == "passkey_copied"
    assert books.row(Passkey, id="pky_phone") == row
    [(_, body)] = told(books, "user.signed_in")
    assert (body["method"], body["session"]) == ("passkey", session.id)


def test_a_passkey_is_one_users_and_no_other_may_use_or_remove_it(books: Books) -> None:
    add(books, "phone")
    assert add(books, "other", "usr_bob", "cred_phone").code == "passkey_known"
    assert sign_in(books, "phone", 9, "usr_bob").code == "passkey_unknown"
    assert books.run(RemovePasskey(ORG, "usr_bob", "pky_phone")).status == 404
    assert add(books, "x", "usr_nobody").status == 404
    assert [row.id for row in books.rows(Passkey)] == ["pky_phone"]


def test_a_removed_one_signs_nobody_in_and_leaves_its_place(books: Books) -> None:
    for number in range(MAX_PASSKEYS):
        add(books, str(number))
    assert add(books, "more").code == "too_many_passkeys"
    removed = books.run(RemovePasskey(ORG, "usr_ann", "pky_0"))
    assert removed.removed_at == NOW
    assert books.run(RemovePasskey(ORG, "usr_ann", "pky_0")).status == 404
    assert sign_in(books, "0", 9).code == "passkey_unknown"
    assert add(books, "again", credential="cred_0").code == "passkey_known"
    assert add(books, "more").id == "pky_more"
    assert told(books, "user.passkey_removed") == [("user.passkey_removed", {"passkey": "pky_0"})]
    assert len(told(books, "user.passkey_added")) == MAX_PASSKEYS + 1


def test_who_is_disabled_or_chooses_a_password_by_a_link_has_none_any_more(books: Books) -> None:
    add(books, "phone")
    books.run(ChangePassword(ORG, "usr_ann", "a hash", "another", "key_x"))
    assert books.row(Passkey, id="pky_phone").removed_at is None
    link = new_link("invitation")
    books.run(MakeLink(ORG, "usr_ann", link, "key_owner"))
    assert books.row(Passkey, id="pky_phone").removed_at is None
    books.run(UseLink(ORG, "usr_ann", text_hash(link.ticket), new_session("key_a", "Firefox"), "a new hash"))
    assert sign_in(books, "phone", 9).code == "passkey_unknown"
    add(books, "laptop")
    for disabled in (True, False):
        books.run(UpdateUser(ORG, "usr_ann", "key_owner", disabled=disabled))
        assert sign_in(books, "laptop", 9).code == "passkey_unknown"
    assert [body["passkey"] for _, body in told(books, "user.passkey_removed")] == ["pky_phone", "pky_laptop"]
    assert told(books, "user.signed_in")[-1][1]["method"] == "link"


def test_a_challenge_is_good_once_for_whom_it_was_made_and_not_for_long(books: Books) -> None:
    def spend(ticket: str, org: str, user: str, now: int = NOW) -> bool:
        return bool(books.till.write_and_wait(spend_challenge(ticket, org, user, now)))

    books.till.write_and_wait(keep_challenge("a", ORG, "usr_ann", NOW))
    assert not spend("b", ORG, "usr_ann")
    assert not spend("a", ORG, "usr_bob")
    assert not spend("a", INSTALLATION, "")
    assert [spend("a", ORG, "usr_ann") for _ in range(2)] == [True, False]
    books.till.write_and_wait(keep_challenge("c", INSTALLATION, "", NOW))
    end = NOW + LINK_SECONDS["passkey"] * 1_000_000
    assert not spend("c", INSTALLATION, "", end)
    assert spend("c", INSTALLATION, "", end - 1)
    # A link to choose a password with is no challenge.
    link = new_link("invitation")
    books.run(MakeLink(ORG, "usr_ann", link, "key_owner"))
    assert not spend(link.ticket, ORG, "usr_ann")
