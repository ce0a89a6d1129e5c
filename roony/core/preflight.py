"""What an account has to be like for Roony to buy on it: one check each, with what is missing and what to do."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Preflight(NamedTuple):
    """The last checks of one kind (`preflight` or `probe`) of a connection: who asked for them, and when.

    `checks` is a JSON list of `Check`.
    """

    organization_id: str
    connection_id: str
    kind: str
    checks: str
    checked_by: str
    checked_at: int


class Check(NamedTuple):
    """One check. `ok`, `warning` (it works, but look), `missing` (it does not work) or `unknown` (nobody can say)."""

    id: str
    status: str
    message: str
    next: str | None = None


def checks_of(row: Preflight) -> list[Check]:
    """The checks of a row that was kept."""
    return [Check(**item) for item in json.loads(row.checks)]


def to_json(checks: list[Check]) -> str:
    """As they are kept."""
    return json.dumps([check._asdict() for check in checks])


def summary(checks: list[Check]) -> str:
    """One sentence for people: what is missing, else what to look at, else that all is well."""
    for status, words in (("missing", "Still missing"), ("warning", "Look at"), ("unknown", "Not confirmed yet")):
        found = [check for check in checks if check.status == status]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            return f"{words}: {found[0].message}{more}"
    return "Everything Roony needs of the account is there."


def balance_check(available: int | None, currency: str, threshold: int | None) -> Check:
    """The Issuing balance against the owner's threshold, minor units; without one it warns when nothing is left."""
    if available is None:
        return Check(
            "issuing_balance", "missing", f"The account has no Issuing balance in {currency}.",
            "Add funds to the Issuing balance in the Stripe Dashboard.",
        )  # fmt: skip
    limit = threshold or 0
    if available <= limit:
        words = f"The Issuing balance is low: {available} of the smallest unit of {currency}, at or under {limit}."
        return Check("issuing_balance", "warning", words, "Add funds to the Issuing balance in the Stripe Dashboard.")
    return Check("issuing_balance", "ok", f"The Issuing balance is {available} of the smallest unit of {currency}.")


def as_dicts(checks: list[Check]) -> list[dict[str, Any]]:
    """For answers."""
    return [check._asdict() for check in checks]
