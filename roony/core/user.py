"""Users: the people of an organization, each with a role, and never without an owner once there was one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from roony.core.errors import Refusal
from roony.core.role import OWNER, may

# Users who are not disabled, and all there ever were: each change of one looks at all of them.
MAX_USERS, MAX_USERS_EVER = 500, 1_000
# What tells who somebody is.
PERSONAL = ("name", "email")
ERASED_NAME = "Erased user"


class User(NamedTuple):
    """One person. A disabled one may do nothing, and has no keys. Times in microseconds UTC.

    What they agreed to before `approves_since` counts no more: they were no approver in between, or a key of theirs
    was taken back.
    """

    organization_id: str
    id: str
    name: str
    email: str
    role: str
    created_at: int
    disabled_at: int | None
    approves_since: int = 0


def is_email(text: str) -> bool:
    """True if this may be an e-mail address. Whether it is anybody's, only a message to it could show."""
    return re.fullmatch(r"[^@\s]+@[^@\s]+", text) is not None


def wrong_user(user: User, others: Iterable[User]) -> Refusal | None:
    """What stands against a user as it is to be, beside the others of the organization; None if nothing does.

    E-mail addresses are one person's each, whatever their case. The last owner who is not disabled stays one.
    """
    rest = [other for other in others if other.id != user.id]
    if user.disabled_at is None and sum(other.disabled_at is None for other in rest) >= MAX_USERS:
        message = f"An organization has at most {MAX_USERS} users who are not disabled. Disable one first."
        return Refusal("too_many_users", message, 409)
    if len(rest) >= MAX_USERS_EVER:
        message = f"An organization keeps at most {MAX_USERS_EVER} users, disabled ones too. Let one of those in again."
        return Refusal("too_many_users", message, 409)
    for other in rest:
        if other.email.lower() == user.email.lower():
            return Refusal("already_exists", "Another user has this e-mail address.", 409, "email", other.id)
    return None


def is_last_owner(user: User, others: Iterable[User]) -> bool:
    """True if this user is an owner and no other one could take over."""
    if user.role != OWNER or user.disabled_at is not None:
        return False
    return not any(other.role == OWNER and other.disabled_at is None for other in others if other.id != user.id)


def may_approve(user: User) -> bool:
    """True if this user may decide what waits for a person."""
    return user.disabled_at is None and may(user.role, "approve")


def begins_anew(user: User, now: int) -> User:
    """The user as one whose yes of up to `now` counts no more."""
    return user._replace(approves_since=now + 1)


def described_user(user: User) -> dict[str, Any]:
    """What an audit record says of a user: nothing that tells who it is, since no record can be taken back.

    Its subject is the user's id; the row with that id has the name until it is erased.
    """
    return {"role": user.role, "disabled": user.disabled_at is not None}


def personal_changes(before: User, after: User) -> list[str]:
    """Which of the fields changed that records leave out."""
    return [name for name in PERSONAL if getattr(before, name) != getattr(after, name)]


def erased(user: User, now: int) -> User:
    """The user with nothing in it that tells who it was; the id stays, so that records still tell one from another."""
    return user._replace(name=ERASED_NAME, email=_tombstone(user), disabled_at=user.disabled_at or now)


def is_erased(user: User) -> bool:
    """True of a user that was erased: nobody brings it back."""
    return user.email == _tombstone(user)


def _tombstone(user: User) -> str:
    """Nobody can have it (RFC 2606), and it is another one for each user, since addresses are one person's each."""
    return f"{user.id}@erased.invalid"
