"""An alert: something a person has to know and see to, one for each kind and subject, open until it is over."""

from __future__ import annotations

from typing import NamedTuple

from roony.core.hashing import derived_id


class Alert(NamedTuple):
    """What happened, in words with what to do next. Times in microseconds UTC.

    `id` is derived from what it is about, so that the same alert is open once. `times` says how often it was opened;
    `created_at` is when it was opened last. `closed_by` is a person, or `roony` when the cause was gone.
    """

    organization_id: str
    id: str
    kind: str
    subject: str
    status: str
    message: str
    times: int
    closed_by: str | None
    created_at: int
    updated_at: int
    closed_at: int | None


def alert_id(kind: str, subject: str) -> str:
    """The id of an alert of this kind about this subject."""
    return derived_id("alt", kind, subject)
