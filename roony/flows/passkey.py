"""Passkeys as commands: added and removed by their user, and gone with all else by which a user gets in."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.errors import Refusal, not_found
from roony.core.passkey import MAX_PASSKEYS, Passkey
from roony.core.user import User
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs

KNOWN = Refusal("passkey_known", "This passkey is known already.", 409)


def drop_passkeys(book: Book, organization_id: str, user_id: str, actor: str, now: int) -> None:
    """Removes all passkeys of a user, whose group must be named."""
    for row in book.group(Passkey, organization_id, user_id):
        if row.removed_at is None:
            _remove(book, row, actor, now)


def _remove(book: Book, row: Passkey, actor: str, now: int) -> Passkey:
    after = row._replace(removed_at=now)
    book.put(after)
    body = {"passkey": row.id}
    book.record(row.organization_id, actor, "user.passkey_removed", row.user_id, body, now)
    return after


@dataclass(frozen=True, slots=True)
class AddPasskey(Command[Passkey | Refusal]):
    """One more passkey of a user. The device's answer was looked at before; `passkey` is the row as it is to be."""

    organization_id: str
    passkey: Passkey

    def needs(self, now: int) -> Needs:
        """The user with passkeys, and whether anybody has this one."""
        org, row = self.organization_id, self.passkey
        rows = ((User, org, row.user_id), (Passkey, row.credential_id))
        return Needs(rows=rows, groups=((Passkey, org, row.user_id),))

    def apply(self, book: Book, now: int) -> Passkey | Refusal:
        """Refused where it is known, even as a removed one, and where the user has many."""
        org, row = self.organization_id, self.passkey._replace(created_at=now)
        user = book.get(User, org, row.user_id)
        if user is None or user.disabled_at is not None:
            return not_found("user", row.user_id)
        if book.get(Passkey, row.credential_id) is not None:
            return KNOWN
        mine = [one for one in book.group(Passkey, org, row.user_id) if one.removed_at is None]
        if len(mine) >= MAX_PASSKEYS:
            message = f"You have {MAX_PASSKEYS} passkeys already. Remove one that you do not use any more."
            return Refusal("too_many_passkeys", message, 409)
        book.put(row)
        body = {"passkey": row.id}
        book.record(org, row.user_id, "user.passkey_added", row.user_id, body, now)
        return row


@dataclass(frozen=True, slots=True)
class RemovePasskey(Command[Passkey | Refusal]):
    """The end of a passkey, by its user. Sessions that it began go on."""

    organization_id: str
    user_id: str
    passkey_id: str

    def needs(self, now: int) -> Needs:
        """The user's passkeys."""
        return Needs(groups=((Passkey, self.organization_id, self.user_id),))

    def apply(self, book: Book, now: int) -> Passkey | Refusal:
        """Removed once."""
        for row in book.group(Passkey, self.organization_id, self.user_id):
            if row.id == self.passkey_id and row.removed_at is None:
                return _remove(book, row, self.user_id, now)
        return not_found("passkey", self.passkey_id)
