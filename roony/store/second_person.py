"""Where an organization wants two people for looser rules: what one person changed is looked at before it is written.

It stands behind every door, under the lock, after the command and before the commit: a new way to change something is
looked at as well. What loosens is taken back, and kept to wait for a second person where it can be done later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from roony.core.agent import Organization
from roony.core.audit import canonical
from roony.core.budget import Budget
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.hashing import derived_id, text_hash
from roony.core.loosening import (
    MAX_CHANGE_BYTES,
    WAITING_SECONDS,
    ProposedChange,
    loosened,
    mark_of,
    wants_two,
    without_text,
)
from roony.core.sign_in import OneTimeLink
from roony.core.user import User, may_approve
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.rows import AccessKey

if TYPE_CHECKING:
    from roony.store.command import Command

PERSON_NEEDED = Refusal(
    "user_key_needed",
    "This loosens rules, for which two people are wanted here: ask for it with a session, or with a key of a user.",
    403,
)
OWN_ONLY = Refusal(
    "second_person_kept",
    "Two people are wanted for looser rules: nobody makes a key or a link for somebody who could be the second one.",
    403,
)
CANNOT_WAIT = Refusal(
    "cannot_wait", "This loosens rules, and cannot wait for a second person. Make it in smaller parts.", 409
)


def applied_for(by: Authority, command: Command[Any], book: Book, now: int) -> Any:
    """The answer of a person's command; a refusal with the id of the change where it waits for a second person."""
    organization = book.get(Organization, command.organization_id)
    if command.is_agreed or organization is None or not wants_two(organization.settings):
        return command.apply(book, now)
    answer = command.apply(book, now)
    changed = book.changes()
    if isinstance(answer, Refusal) or not changed:
        return answer
    if _lets_in(by, changed, book):
        book.undo_command()
        return OWN_ONLY
    differences = loosened(changed, organization, _limited(changed, book))
    if not differences:
        return answer
    base = mark(changed)
    book.undo_command()
    return _propose(by, command, base, differences, book, now)


def mark(changed: list[tuple[Any, Any]]) -> str:
    """A mark of all rows as they were before a change."""
    return text_hash("\n".join(mark_of(changed)))


def _lets_in(by: Authority, changed: list[tuple[Any, Any]], book: Book) -> bool:
    """Whether somebody gets what opens Roony as another user who could be the second person, of an approval too."""
    for before, after in changed:
        if (
            before is None
            and isinstance(after, AccessKey | OneTimeLink)
            and after.user_id not in (None, "", by.user_id)
        ):
            user = book.get(User, by.organization_id, after.user_id)
            if user is None or may_approve(user):
                return True
    return False


def _limited(changed: list[tuple[Any, Any]], book: Book) -> dict[str, set[str]]:
    """By scope the currencies in which it had a limit before the change, as far as its budgets are in the book."""
    before = {after.id: old for old, after in changed if isinstance(after, Budget)}
    found: dict[str, set[str]] = {}
    for row in book.all_of(Budget) if before else ():
        was = before.get(row.id, row)
        if was is not None and was.limit_amount is not None:
            found.setdefault(was.scope_id, set()).add(was.currency)
    return found


def _propose(
    by: Authority, command: Command[Any], base: str, differences: list[dict[str, Any]], book: Book, now: int
) -> Refusal:
    if by.user_id is None:
        return PERSON_NEEDED
    text = as_text(command) if command.can_wait else None
    if text is None or len(text) + len(canonical(differences)) > MAX_CHANGE_BYTES:
        return CANNOT_WAIT
    org = by.organization_id
    id = derived_id("chg", org, by.user_id, now, text)
    expires_at = now + WAITING_SECONDS * SECOND
    book.put(
        ProposedChange(
            org, id, "waiting", by.user_id, by.permission, text, base, canonical(differences), None, None, expires_at,
            now,
        )
    )  # fmt: skip
    body = {
        "command": type(command).__name__, "loosens": differences, "proposed_by": by.user_id, "expires_at": expires_at,
    }  # fmt: skip
    book.record(org, by.user_id, "change.proposed", id, body, now)
    message = f"This loosens rules and waits as {id} for a second person: roony change confirm {id}, or Changes."
    return Refusal("waits_for_second_person", message, 409, id=id)


def decide_change(book: Book, row: ProposedChange, status: str, actor: str, now: int) -> ProposedChange:
    """One that waits is `confirmed` or `withdrawn`."""
    row = without_text(row)._replace(status=status, decided_by=actor, decided_at=now)
    book.put(row)
    body = {"proposed_by": row.proposed_by, "loosens": json.loads(row.differences)}
    book.record(row.organization_id, actor, f"change.{status}", row.id, body, now)
    return row


def as_text(command: Command[Any]) -> str:
    """A command as JSON, for `flows/second_person.py` to make it again."""
    return json.dumps(_value(command), sort_keys=True)


def _value(value: Any) -> Any:
    if is_dataclass(value):
        return {
            "made": type(value).__name__,
            "of": {one.name: _value(getattr(value, one.name)) for one in fields(value)},
        }
    if isinstance(value, tuple):
        name = type(value).__name__ if hasattr(value, "_fields") else "tuple"
        return {"made": name, "of": [_value(one) for one in value]}
    if isinstance(value, type):
        return {"made": "type", "of": value.__name__}
    if isinstance(value, Mapping):
        return {"made": "mapping", "of": {str(key): _value(one) for key, one in value.items()}}
    return [_value(one) for one in value] if isinstance(value, list) else value
