"""The installation looked at: what `roony doctor` prints, beside the preflight of each connection."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from roony.core.address import is_within
from roony.flows.doctor import examine
from roony.flows.doctor.installation import Seen
from roony.web import stripe_shapes
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.shape import gives

router = new_part("Organization")


@router.get("/doctor", **gives(stripe_shapes.CheckList))
async def look_at_installation(request: Request, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """The installation, from versions and disk to the worker: each check with what is missing and what to do."""
    options = request.app.state.options
    address = request.client.host if request.client else ""
    trusted = is_within(address, options.trusted_proxies)
    forged = request.app.state.forged
    seen = Seen(address, "x-forwarded-for" in request.headers, trusted, forged.total, forged.seconds_since())
    checks = await examine(context, caller.organization_id, options.installation, seen)
    return {"checks": [check._asdict() for check in checks]}
