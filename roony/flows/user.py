"""Users: added, changed, disabled with all their keys, always with an owner left."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.errors import Refusal, not_found
from roony.core.passkey import Passkey
from roony.core.sign_in import OneTimeLink, Password
from roony.core.user import User, begins_anew, described_user, is_last_owner, may_approve, wrong_user
from roony.flows.access_key import revoke
from roony.flows.passkey import drop_passkeys
from roony.store.authority import is_long_over
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.tables import AccessKey


@dataclass(frozen=True, slots=True)
class CreateUser(Command[User | Refusal]):
    """One more person. A key of their own is made apart."""

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

    organization_id: str
    user_id: str
    actor: str
    name: str | None = None
    email: str | None = None
    role: str | None = None
    disabled: bool | None = None

    def needs(self, now: int) -> Needs:
        """The users there are, and all with which this one gets in."""
        org, user_id = self.organization_id, self.user_id
        groups = tuple((row, org, user_id) for row in (AccessKey, OneTimeLink, Passkey))
        return Needs(rows=((User, org, user_id), (Password, org, user_id)), groups=((User, org, org), *groups))

    def apply(self, book: Book, now: int) -> User | Refusal:
        """1 what it would be · 2 whether that may be · 3 the user, and the end of the keys of a disabled one."""
        org = self.organization_id
        before, others = book.get(User, org, self.user_id), book.group(User, org, org)
        if before is None:
            return not_found("user", self.user_id)
        after = self._changed(before, now)
        if is_last_owner(before, others) and not is_last_owner(after, others):
            return Refusal(
                "last_owner", "This is the last owner. Make another user an owner first.", 409, id=self.user_id
            )
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
            self._end_links(book, now)
        body = {"before": described_user(before), "after": described_user(after)}
        book.record(org, self.actor, "user.updated", after.id, body, now)
        if after.disabled_at is not None:
            self._shut_out(book, now)
        return after

    def _shut_out(self, book: Book, now: int) -> None:
        """Takes everything away with which the user gets in."""
        org, user_id = self.organization_id, self.user_id
        for key in book.group(AccessKey, org, user_id):
            if not is_long_over(key, now):
                revoke(book, key, self.actor, now)
        self._end_links(book, now)
        drop_passkeys(book, org, user_id, self.actor, now)
        password = book.get(Password, org, user_id)
        if password is not None:
            book.put(password._replace(hash=""))

    def _end_links(self, book: Book, now: int) -> None:
        """Lets no link open that was made for the user up to now."""
        for link in book.group(OneTimeLink, self.organization_id, self.user_id):
            if link.used_at is None:
                book.put(link._replace(used_at=now))

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
