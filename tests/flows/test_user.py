"""Users as commands: always an owner left, one address each, keys that end with their user; all of it audited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.audit import AuditRecord, verify
from roony.core.passkey import Passkey
from roony.core.sign_in import IDLE_SECONDS, OneTimeLink, Password
from roony.core.user import MAX_USERS, MAX_USERS_EVER, User
from roony.flows.access_key import (
    MAX_KEYS_OF_AGENT,
    MAX_KEYS_OF_USER,
    CreateAccessKey,
    RevokeAccessKey,
    RotateAccessKey,
    new_key,
)
from roony.flows.one_time_link import MakeLink, new_link
from roony.flows.passkey import AddPasskey
from roony.flows.sign_in import SignIn, new_session
from roony.flows.user import CreateUser, EraseUser, UpdateUser
from roony.store.rows import AccessKey
from roony.store.tables import TABLE_OF
from tests.support.books import AGENT, NOW, ORG, Books


def add(books: Books, id: str, role: str = "viewer", email: str | None = None) -> Any:
    """Adds usr_<id>."""
    return books.run(CreateUser(ORG, f"usr_{id}", id.title(), email or f"{id}@example.com", role, "key_owner"))


def change(books: Books, id: str, **fields: Any) -> Any:
    """Changes usr_<id>."""
    return books.run(UpdateUser(ORG, f"usr_{id}", "key_owner", **fields))


def key_of(books: Books, user: str, id: str) -> Any:
    """Makes a key of a user."""
    return books.run(CreateAccessKey(ORG, new_key("admin", id, "x"), "key_owner", user_id=user))


def told(books: Books) -> list[tuple[str, str, dict[str, Any]]]:
    """What the audit chain says, without the organization's beginning."""
    rows = books.rows(AuditRecord, organization_id=ORG)
    return [(row.action, row.subject, json.loads(row.body)) for row in rows]


def test_a_user_is_added_and_changed_with_before_and_after(books: Books) -> None:
    ann = add(books, "ann", "approver")
    assert ann == User(ORG, "usr_ann", "Ann", "ann@example.com", "approver", NOW, None)
    changed = change(books, "ann", name="Anna", role="admin", email="anna@example.com")
    assert books.row(User, id="usr_ann") == changed == ann._replace(name="Anna", role="admin", email="anna@example.com")
    before = {"role": "approver", "disabled": False}
    body = {"before": before, "after": {**before, "role": "admin"}, "changed": ["name", "email"]}
    assert told(books)[-2:] == [("user.created", "usr_ann", before), ("user.updated", "usr_ann", body)]
    # The same again changes nothing and says nothing.
    assert change(books, "ann", role="admin", disabled=False) == changed
    assert len(told(books)) == 2


def test_an_address_is_one_users(books: Books) -> None:
    add(books, "ann")
    add(books, "bob")
    for refused in (add(books, "eve", email="ANN@example.com"), change(books, "bob", email="Ann@Example.com")):
        assert (refused.code, refused.status, refused.field, refused.id) == ("already_exists", 409, "email", "usr_ann")
    assert [row.id for row in books.rows(User)] == ["usr_ann", "usr_bob"]


def test_the_last_owner_stays_one(books: Books) -> None:
    add(books, "ann", "owner")
    add(books, "bob", "admin")
    for fields in ({"role": "admin"}, {"disabled": True}):
        assert change(books, "ann", **fields).code == "last_owner"
    assert change(books, "ann", name="Anna").name == "Anna"
    assert change(books, "bob", role="owner").role == "owner"
    assert change(books, "bob", disabled=True).disabled_at == NOW
    # A disabled owner could not take over.
    assert change(books, "ann", role="viewer").code == "last_owner"
    assert change(books, "bob", disabled=False).disabled_at is None
    assert change(books, "ann", role="viewer").role == "viewer"
    assert change(books, "bob", role="viewer").code == "last_owner"


def test_a_disabled_users_keys_end_in_the_same_commit(books: Books) -> None:
    add(books, "ann", "owner")
    add(books, "bob", "admin")
    keys = [key_of(books, "usr_bob", f"key_{number}").id for number in range(3)]
    other = key_of(books, "usr_ann", "key_ann").id
    books.run(RevokeAccessKey(ORG, books.row(AccessKey, id=keys[0]), "key_owner"))
    books.clock.advance(60)
    change(books, "bob", disabled=True)
    ends = {row.id: row.revoked_at for row in books.rows(AccessKey)}
    assert ends == {keys[0]: NOW, keys[1]: NOW + 60_000_000, keys[2]: NOW + 60_000_000, other: None}
    assert [(action, subject) for action, subject, _ in told(books)[-3:]] == [
        ("user.updated", "usr_bob"), ("access_key.revoked", keys[1]), ("access_key.revoked", keys[2]),
    ]  # fmt: skip
    assert key_of(books, "usr_bob", "key_new").code == "user_disabled"
    # Who is let in again needs a new key: the old ones stay ended.
    change(books, "bob", disabled=False)
    assert books.row(AccessKey, id=keys[1]).revoked_at is not None
    assert key_of(books, "usr_bob", "key_new").user_id == "usr_bob"


def test_keys_of_a_user_are_limited_and_only_that_users(books: Books) -> None:
    add(books, "ann")
    add(books, "bob")
    assert key_of(books, "usr_nobody", "key_x").status == 404
    rows = [key_of(books, "usr_ann", f"key_{number}") for number in range(MAX_KEYS_OF_USER)]
    assert key_of(books, "usr_ann", "key_more").code == "too_many_keys"
    assert key_of(books, "usr_bob", "key_bob").id == "key_bob"
    rotated = RotateAccessKey(ORG, rows[1], new_key("admin", "key_more", "x"), 60, "key_owner")
    assert books.run(rotated).code == "too_many_keys"
    assert books.run(RevokeAccessKey(ORG, rows[0], "key_owner")).revoked_at == NOW
    # One that ends by itself counts until then.
    new = books.run(rotated)
    assert new.user_id == "usr_ann"
    assert key_of(books, "usr_ann", "key_late").code == "too_many_keys"
    books.clock.advance(60)
    assert key_of(books, "usr_ann", "key_late").id == "key_late"
    change(books, "ann", disabled=True)
    again = RotateAccessKey(ORG, new, new_key("admin", "key_again", "x"), 60, "key_owner")
    assert books.run(again).code == "key_over"


def test_users_are_limited(books: Books) -> None:
    books.put(*(User(ORG, f"usr_{n}", "x", f"{n}@example.com", "viewer", NOW, None) for n in range(MAX_USERS)))
    assert add(books, "more").code == "too_many_users"
    assert change(books, "1", name="y").name == "y"
    assert change(books, "nobody", name="y").status == 404
    # One who is disabled makes room for another, and has none any more.
    change(books, "1", disabled=True)
    assert add(books, "more").id == "usr_more"
    assert change(books, "1", disabled=False).code == "too_many_users"
    assert change(books, "1", name="z").name == "z"


def test_all_users_there_ever_were_are_limited(books: Books) -> None:
    """Nobody is ever taken out of the books: who is not needed any more leaves a place to take over."""
    gone = (User(ORG, f"usr_{n}", "x", f"{n}@example.com", "viewer", NOW, NOW) for n in range(MAX_USERS_EVER - 1))
    books.put(*gone)
    add(books, "last")
    assert (add(books, "more").code, len(books.rows(User))) == ("too_many_users", MAX_USERS_EVER)
    assert change(books, "1", name="New", email="new@example.com", disabled=False).disabled_at is None


def test_keys_of_an_agent_are_limited(books: Books) -> None:
    """Those that are over do not count; a rotation makes one more."""

    def make(id: str) -> Any:
        return books.run(CreateAccessKey(ORG, new_key("agent", id, "x"), "key_owner", AGENT))

    rows = [make(f"key_{number}") for number in range(MAX_KEYS_OF_AGENT)]
    refused = make("key_more")
    assert (refused.code, refused.status, refused.id) == ("too_many_keys", 409, AGENT)
    rotated = books.run(RotateAccessKey(ORG, rows[0], new_key("agent", "key_next", "x"), 60, "key_owner"))
    assert rotated.code == "too_many_keys"
    books.run(RevokeAccessKey(ORG, rows[1], "key_owner"))
    assert (
        books.run(RotateAccessKey(ORG, rows[0], new_key("agent", "key_next", "x"), 60, "key_owner")).agent_id == AGENT
    )
    assert make("key_more").code == "too_many_keys"
    books.clock.advance(60)
    assert make("key_more").id == "key_more"


def test_sessions_that_are_over_for_long_are_left_alone(books: Books) -> None:
    """However often somebody signed in, to shut them out is as much work as they have sessions open."""
    add(books, "ann")
    books.put(Password(ORG, "usr_ann", "ann@example.com", "a hash", 1))
    for id in ("old", "young"):
        books.clock.now += (IDLE_SECONDS + 2 * 3600) * 1_000_000
        books.run(SignIn(ORG, "usr_ann", new_session(f"key_{id}", "Firefox"), "a hash"))
    change(books, "ann", disabled=True)
    assert [subject for action, subject, _ in told(books) if action == "access_key.revoked"] == ["key_young"]


def everything(books: Books) -> str:
    """All rows of all tables as text."""
    return " ".join(str(row) for kind in TABLE_OF for row in books.rows(kind))


class TestErasing:
    """Who they were is nowhere any more; that they were, and what they did, stays."""

    @pytest.fixture
    def zoe(self, books: Books) -> str:
        """Somebody with a password, keys, a session, a passkey and an open link, who did something."""
        add(books, "ann", "owner")
        add(books, "zoe", "admin", "Zoe.Smith@example.com")
        books.put(Password(ORG, "usr_zoe", "zoe.smith@example.com", "a hash", NOW))
        books.run(CreateAccessKey(ORG, new_key("admin", "key_lap", "Zoe's laptop"), "usr_zoe", user_id="usr_zoe"))
        books.run(SignIn(ORG, "usr_zoe", new_session("key_session", "Firefox"), "a hash"))
        passkey = Passkey("cred_z", "pky_z", ORG, "usr_zoe", "Zoe's phone", b"", 0, "", NOW, None, None)
        books.run(AddPasskey(ORG, passkey))
        books.run(MakeLink(ORG, "usr_zoe", new_link("invitation"), "usr_ann"))
        books.run(CreateUser(ORG, "usr_new", "New", "new@example.com", "viewer", "usr_zoe"))
        return "usr_zoe"

    def erase(self, books: Books, id: str) -> Any:
        return books.run(EraseUser(ORG, id, "usr_ann"))

    def test_nothing_tells_who_it_was(self, books: Books, zoe: str) -> None:
        assert "Zoe.Smith" in everything(books)
        after = self.erase(books, zoe)
        assert (after.name, after.email, after.disabled_at) == ("Erased user", "usr_zoe@erased.invalid", NOW)
        left = everything(books)
        for word in ("Zoe's", "Zoe.Smith", "zoe.smith", "'Zoe'"):
            assert word not in left, word

    def test_the_chain_is_true_and_tells_what_they_did(self, books: Books, zoe: str) -> None:
        self.erase(books, zoe)
        chain = books.rows(AuditRecord, organization_id=ORG)
        assert verify(chain) is None
        assert ("user.created", "usr_new") in [(row.action, row.subject) for row in chain if row.actor == zoe]
        assert [row.subject for row in chain if row.action == "user.erased"] == [zoe]

    def test_they_are_shut_out_in_the_same_commit(self, books: Books, zoe: str) -> None:
        self.erase(books, zoe)
        assert {row.revoked_at for row in books.rows(AccessKey, user_id=zoe)} == {NOW}
        assert books.row(Password, user_id=zoe).hash == ""
        assert books.row(Passkey, id="pky_z").removed_at == NOW
        assert [row.used_at for row in books.rows(OneTimeLink, user_id=zoe)] == [NOW]
        assert key_of(books, zoe, "key_again").code == "user_disabled"

    def test_once_and_for_ever(self, books: Books, zoe: str) -> None:
        after, count = self.erase(books, zoe), len(told(books))
        books.clock.advance(60)
        assert self.erase(books, zoe) == after
        for fields in ({"disabled": False}, {"name": "Zoe"}, {"email": "zoe@example.com"}):
            assert change(books, "zoe", **fields).code == "user_erased"
        assert len(told(books)) == count
        # The person may be added anew, as somebody else.
        assert add(books, "zoe2", email="Zoe.Smith@example.com").id == "usr_zoe2"

    def test_the_last_owner_stays(self, books: Books, zoe: str) -> None:
        assert self.erase(books, "usr_ann").code == "last_owner"
        assert self.erase(books, "usr_nobody").status == 404
        change(books, "zoe", role="owner")
        assert self.erase(books, "usr_ann").name == "Erased user"
