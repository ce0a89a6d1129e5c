"""The keys that encrypt stored tokens: sealing everything again with the first of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from roony.flows.key_rotation import rotate_keys
from roony.web import admin_shapes
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.connection_schemas import RotationBody
from roony.web.errors import accepted
from roony.web.shape import gives

router = new_part("Keys")


@router.post("/keys/rotate", **gives(admin_shapes.RotatedKeys))
async def rotate(caller: CallerOf, context: ContextOf, body: RotationBody) -> dict[str, Any]:
    """Seal stored tokens again with the first key of ROONY_SECRET_KEYS, up to 200 with each call, while serving.

    While there is a `next_cursor`, the next call with it goes on. `unreadable` counts by the id of the missing key what
    cannot be opened: put that key back, then call again. When nothing is unreadable, the older keys can go.
    """
    rotated = await rotate_keys(context, caller.organization_id, body.cursor, caller.actor, caller.authority)
    return asdict(accepted(rotated))
