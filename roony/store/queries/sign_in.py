"""Reads for signing in: passwords by e-mail address, links by their hash, a user's sessions and passkeys."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import and_, select

from roony.core.passkey import Passkey
from roony.core.sign_in import OneTimeLink, Password
from roony.core.user import User
from roony.store.database import Database
from roony.store.rows import AccessKey
from roony.store.tables import access_keys, one_time_links, organizations, passkeys, passwords, users

# Organizations in which one address may have a password of its own; more are not looked at.
MAX_ORGANIZATIONS = 10


class Candidate(NamedTuple):
    """Somebody who may sign in with an address, and the name of their organization."""

    password: Password
    organization: str


def candidates(database: Database, email: str, organization_id: str | None) -> list[Candidate]:
    """Who has this address, in any case, and a password, and is not disabled; in one organization or all."""
    same_user = and_(
        users.c.organization_id == passwords.c.organization_id,
        users.c.id == passwords.c.user_id,
        users.c.disabled_at.is_(None),
    )
    statement = (
        select(passwords, organizations.c.name)
        .join(users, same_user)
        .join(organizations, organizations.c.id == passwords.c.organization_id)
        .where(passwords.c.email == email.lower(), passwords.c.hash != "")
        .order_by(passwords.c.organization_id)
        .limit(MAX_ORGANIZATIONS)
    )
    if organization_id is not None:
        statement = statement.where(passwords.c.organization_id == organization_id)
    return [Candidate(Password(*row[:-1]), row[-1]) for row in database.read(statement)]


def find_password(database: Database, organization_id: str, user_id: str) -> Password | None:
    """The password of a user, who may have none yet, or none any more."""
    own = and_(passwords.c.organization_id == organization_id, passwords.c.user_id == user_id)
    rows = database.read(select(passwords).where(own, passwords.c.hash != ""))
    return Password(*rows[0]) if rows else None


def find_link(database: Database, hashed: str) -> OneTimeLink | None:
    """The link with this hash, whatever became of it."""
    rows = database.read(select(one_time_links).where(one_time_links.c.hash == hashed))
    return OneTimeLink(*rows[0]) if rows else None


def find_user(database: Database, organization_id: str, user_id: str) -> User | None:
    """One user of an organization."""
    rows = database.read(select(users).where(users.c.organization_id == organization_id, users.c.id == user_id))
    return User(*rows[0]) if rows else None


def sessions_of(database: Database, organization_id: str, user_id: str) -> list[AccessKey]:
    """The sessions of a user that were not revoked, newest first; those that are over by time too."""
    statement = select(access_keys).where(
        access_keys.c.organization_id == organization_id,
        access_keys.c.user_id == user_id,
        access_keys.c.kind == "session",
        access_keys.c.revoked_at.is_(None),
    )
    return [AccessKey(*row) for row in database.read(statement.order_by(access_keys.c.created_at.desc()).limit(100))]


def find_passkey(database: Database, credential_id: str) -> Passkey | None:
    """The passkey with this credential id, removed or not."""
    rows = database.read(select(passkeys).where(passkeys.c.credential_id == credential_id))
    return Passkey(*rows[0]) if rows else None


def passkeys_of(database: Database, organization_id: str, user_id: str) -> list[Passkey]:
    """The passkeys that a user has, newest first."""
    statement = select(passkeys).where(
        passkeys.c.organization_id == organization_id, passkeys.c.user_id == user_id, passkeys.c.removed_at.is_(None)
    )
    return [Passkey(*row) for row in database.read(statement.order_by(passkeys.c.created_at.desc()).limit(100))]
