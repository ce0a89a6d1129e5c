"""The few refusals that are not decisions: a caller asked for something that is not there or may not be done now."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why a command changed nothing. `code` is stable, `status` the HTTP status that fits, `id` points at the cause.

    `reasons` are those of a decision, each as (code, message, scope).
    """

    code: str
    message: str
    status: int = 409
    field: str | None = None
    id: str | None = None
    reasons: tuple[tuple[str, str, str | None], ...] = ()


class BrokenCaller(Exception):
    """A caller broke a rule of the code, not of the business: a programming error, never shown as a decision."""


def not_found(what: str, id: str, field: str | None = None) -> Refusal:
    """The refusal for an id that does not exist or belongs to somebody else; both look the same on purpose (P7).

    `field` is where the id stood, if that was in a body.
    """
    return Refusal("not_found", f"No {what} with the id {id}.", 404, field)
