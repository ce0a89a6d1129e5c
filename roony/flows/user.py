"""Users: added, changed, disabled with all their keys, erased; always with an owner left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roony.core.errors import Refusal, not_found
from roony.core.loosening import ProposedChange, current_status, without_text
from roony.core.passkey import Passkey
from roony.core.sign_in import OneTimeLink, Password
from roony.core.user import (
    User,
    begins_anew,
    described_user,
    erased,
    is_erased,
    is_last_owner,
    may_approve,
    personal_changes,
    wrong_user,
)
from roony.flows.access_key import revoke
from roony.flows.passkey import drop_passkeys
from roony.store.authority import is_long_over
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.rows import AccessKey
from roony.store.second_person import decide_change


@dataclass(frozen=True, slots=True)
class CreateUser(Command[User | Refusal]):
    """One more person. A key of their own is made apart."""

    can_wait = True

    organization_id: str
    user_id: str
    name: str
    email: str
    role: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The users there are, and whether the id is still free."""
        org = self.organization_id
        return Needs(rows=((User, org, self.user_id),), groups=((User, org, org),))

    def apply(self, book: Book, now: int) -> User | Refusal:
        """Adds the user unless the address is another one's."""
        org = self.organization_id
        user = User(org, self.user_id, self.name, self.email, self.role, now, None)
        wrong = wrong_user(user, book.group(User, org, org))
        if wrong is not None:
            return wrong
        book.put(user)
        book.record(org, self.actor, "user.created", user.id, described_user(user), now)
        return user


@dataclass(frozen=True, slots=True)
class UpdateUser(Command[User | Refusal]):
    """Changes a user; None leaves a field as it is.

    Another e-mail address ends the links made for the one before.
    To disable ends the user's keys, sessions, password, passkeys and open links in the same commit, so that they open
    nothing from then on in any process; a user who is let in again needs a new invitation or a new key.
    """

    can_wait = True

    organization_id: str
    user_id: str
    actor: str
    name: str | None = None
    email: str | None = None
    role: str | None = None
    disabled: bool | None = None

    def needs(self, now: int) -> Needs:
        """The users there are, and all with which this one gets in."""
        return _needs(self.organization_id, self.user_id)

    def apply(self, book: Book, now: int) -> User | Refusal:
        """1 what it would be · 2 whether that may be · 3 the user, and the end of the keys of a disabled one."""
        org = self.organization_id
        before, others = book.get(User, org, self.user_id), book.group(User, org, org)
        if before is None:
            return not_found("user", self.user_id)
        if is_erased(before):
            return Refusal("user_erased", "This user was erased. Add the person anew.", 409, id=before.id)
        after = self._changed(before, now)
        if is_last_owner(before, others) and not is_last_owner(after, others):
            return _last_owner(before)
        wrong = wrong_user(after, others)
        if wrong is not None:
            return wrong
        if after == before:
            return before
        # From here it must succeed: only writes below.
        book.put(after)
        password = book.get(Password, org, self.user_id)
        if password is not None and after.email != before.email:
            book.put(password._replace(email=after.email.lower()))
        if after.email != before.email:
            # Whoever reads the mail of the address before may have one.
            _end_links(book, after, now)
        body: dict[str, Any] = {"before": described_user(before), "after": described_user(after)}
        if changed := personal_changes(before, after):
            body["changed"] = changed
        book.record(org, self.actor, "user.updated", after.id, body, now)
        if after.disabled_at is not None:
            _shut_out(book, after, self.actor, now)
        return after

    def _changed(self, before: User, now: int) -> User:
        disabled_at = before.disabled_at
        if self.disabled is not None and self.disabled != (disabled_at is not None):
            disabled_at = now if self.disabled else None
        after = before._replace(
            name=self.name if self.name is not None else before.name,
            email=self.email if self.email is not None else before.email,
            role=self.role if self.role is not None else before.role,
            disabled_at=disabled_at,
        )
        return begins_anew(after, now) if may_approve(after) and not may_approve(before) else after


@dataclass(frozen=True, slots=True)
class EraseUser(Command[User | Refusal]):
    """Takes away for ever what tells who a user is: name, address, and the words they gave their keys and passkeys.

    They are shut out in the same commit. Their id stays, on what they did and in the audit chain, and names nobody any
    more. `changes` are those of them that nobody decided (`changes_of_user`): they hold what the user was to be called.
    """

    organization_id: str
    user_id: str
    actor: str
    changes: tuple[str, ...] = ()

    def needs(self, now: int) -> Needs:
        """The users there are, all with which this one gets in, and the changes."""
        own = _needs(self.organization_id, self.user_id)
        return own._replace(rows=(*own.rows, *((ProposedChange, self.organization_id, id) for id in self.changes)))

    def apply(self, book: Book, now: int) -> User | Refusal:
        """Once; who is erased stays so. The last owner stays one."""
        org = self.organization_id
        before, others = book.get(User, org, self.user_id), book.group(User, org, org)
        if before is None:
            return not_found("user", self.user_id)
        if is_erased(before):
            return before
        if is_last_owner(before, others):
            return _last_owner(before)
        # From here it must succeed: only writes below.
        after = erased(before, now)
        book.put(after)
        book.record(org, self.actor, "user.erased", after.id, {}, now)
        _shut_out(book, after, self.actor, now)
        for key in book.group(AccessKey, org, self.user_id):
            book.put(key._replace(name=""))
        for passkey in book.group(Passkey, org, self.user_id):
            book.put(passkey._replace(name=""))
        password = book.get(Password, org, self.user_id)
        if password is not None:
            book.put(password._replace(email=after.email.lower()))
        for id in self.changes:
            change = book.need(ProposedChange, org, id)
            if current_status(change, now) == "waiting":
                decide_change(book, change, "withdrawn", self.actor, now)
            else:
                book.put(without_text(change))
        # As it is by now: a key that ended moved what their word counts from.
        return book.need(User, org, self.user_id)


def _needs(organization_id: str, user_id: str) -> Needs:
    """The users there are, and all with which this one gets in."""
    org = organization_id
    groups = tuple((row, org, user_id) for row in (AccessKey, OneTimeLink, Passkey))
    return Needs(rows=((User, org, user_id), (Password, org, user_id)), groups=((User, org, org), *groups))


def _last_owner(user: User) -> Refusal:
    return Refusal("last_owner", "This is the last owner. Make another user an owner first.", 409, id=user.id)


def _shut_out(book: Book, user: User, actor: str, now: int) -> None:
    """Takes everything away with which the user gets in."""
    org = user.organization_id
    for key in book.group(AccessKey, org, user.id):
        if not is_long_over(key, now):
            revoke(book, key, actor, now)
    _end_links(book, user, now)
    drop_passkeys(book, org, user.id, actor, now)
    password = book.get(Password, org, user.id)
    if password is not None:
        book.put(password._replace(hash=""))


def _end_links(book: Book, user: User, now: int) -> None:
    """Lets no link open that was made for the user up to now."""
    for link in book.group(OneTimeLink, user.organization_id, user.id):
        if link.used_at is None:
            book.put(link._replace(used_at=now))
