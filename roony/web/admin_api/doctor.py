"""The installation looked at: what `roony doctor` prints, beside the preflight of each connection."""

from __future__ import annotations

from typing import Any

from roony.flows.doctor import examine
from roony.web import stripe_shapes
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.shape import gives

router = new_part("Organization")


@router.get("/doctor", **gives(stripe_shapes.CheckList))
async def look_at_installation(_caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Database, schema, keys and clock: each check with what is missing and what to do."""
    return {"checks": [check._asdict() for check in await examine(context)]}
