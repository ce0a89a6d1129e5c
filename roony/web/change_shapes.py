"""What the API tells of changes that wait for a second person."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from roony.core.loosening import ProposedChange, current_status
from roony.web.answers import Json, time
from roony.web.shape import Currency, Listed, Shape, Time, UserId, like


class Loosened(Shape):
    """One thing that a change loosens. `of` is the scope, or the user, it belongs to; amounts are minor units of the
    currency, which nothing else has."""

    what: Annotated[str, like("purchase_limit")]
    of: Annotated[str, like("agt_7c1d90ab34ef4c52")]
    before: Annotated[Any, like(50_000)]
    after: Annotated[Any, like(100_000)]
    currency: Currency | None = None


class ChangeAnswer(Shape):
    """A change of one person that loosens rules. `command` names what was asked for."""

    id: Annotated[str, like("chg_3b8f60d2a91c4e57")]
    status: Literal["waiting", "confirmed", "withdrawn", "expired"]
    command: Annotated[str, like("SetControls")]
    loosens: list[Loosened]
    proposed_by: UserId
    decided_by: Annotated[str | None, like("usr_8e05c4d7b12f4a93")]
    decided_at: Time | None
    expires_at: Time
    created_at: Time


class ChangeList(Listed[ChangeAnswer]):
    """A page of changes."""


def change(row: ProposedChange, now: int) -> Json:
    """One change, with its status of now."""
    return {
        "id": row.id, "status": current_status(row, now), "command": json.loads(row.change)["made"],
        "loosens": json.loads(row.differences), "proposed_by": row.proposed_by, "decided_by": row.decided_by,
        "decided_at": time(row.decided_at), "expires_at": time(row.expires_at), "created_at": time(row.created_at),
    }  # fmt: skip
