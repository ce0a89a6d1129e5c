"""Links that open once: an invitation for a user, and the first run of one more organization."""

from __future__ import annotations

from typing import Any

from roony.flows.one_time_link import MakeLink, OfferFirstRun, new_link
from roony.web import answers
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.session import page_url
from roony.web.shape import gives
from roony.web.sign_in_shapes import LinkAnswer

router = new_part("Users")


@router.post("/users/{id}/invitation", **gives(LinkAnswer, 409, status=201))
async def invite_user(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """A link with which the user chooses a password, at first or anew, and is signed in. It opens once, for a week.

    An older one that was not used yet stops working. A new password ends the user's other sessions and passkeys.
    """
    link = new_link("invitation")
    row = accepted(
        await context.till.submit(MakeLink(caller.organization_id, id, link, caller.actor), by=caller.authority)
    )
    return {"url": page_url(context, f"/welcome?ticket={link.ticket}"), "expires_at": answers.time(row.expires_at)}


@router.post("/first_runs", **gives(LinkAnswer, 409, status=201))
async def start_first_run(caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """A link with which whoever opens it makes an organization of their own on this Roony. It opens once, for a day."""
    link = new_link("first_run")
    command = OfferFirstRun(caller.organization_id, link, caller.actor)
    row = accepted(await context.till.submit(command, by=caller.authority))
    return {"url": page_url(context, f"/first-run?code={link.ticket}"), "expires_at": answers.time(row.expires_at)}
