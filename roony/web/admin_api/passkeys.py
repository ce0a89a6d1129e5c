"""The passkeys of whoever calls: asked for, added, listed and removed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from starlette.concurrency import run_in_threadpool

from roony.core.passkey import Passkey
from roony.core.sign_in import LONGEST_PASSWORD
from roony.flows.passkey import RemovePasskey
from roony.flows.passkey_registration import Asker, add_passkey, ask_for_passkey
from roony.store.queries.sign_in import passkeys_of
from roony.web import answers
from roony.web.admin_api.part import new_part
from roony.web.auth import Caller, CallerOf, ContextOf
from roony.web.errors import accepted, refuse
from roony.web.passkey_site import needed_site
from roony.web.schemas import Body, named
from roony.web.shape import example, gives
from roony.web.sign_in_shapes import PasskeyAnswer, PasskeyAsked, PasskeyList

router = new_part("Me")

LONGEST_TICKET = 128


class PasskeyAsk(Body):
    """Who asks for a passkey: the password is needed from who did not sign in just now."""

    model_config = example(password="correct horse battery staple")  # noqa: S106 (nobody's)

    password: Annotated[str, Field(max_length=LONGEST_PASSWORD)] | None = None


class PasskeyBody(Body):
    """What the browser's device made, as `PublicKeyCredential.toJSON()` writes it, and a name for it."""

    model_config = example(
        ticket="EXAMPLE", name="Laptop",
        credential={
            "id": "EXAMPLE", "rawId": "EXAMPLE", "type": "public-key",
            "response": {"clientDataJSON": "EXAMPLE", "attestationObject": "EXAMPLE", "transports": ["internal"]},
        },
    )  # fmt: skip

    ticket: Annotated[str, Field(max_length=LONGEST_TICKET)]
    name: Annotated[str, Field(max_length=100), AfterValidator(named)]
    credential: dict[str, Any]


def _asker(caller: Caller) -> Asker:
    """The person who calls. Raises Refused (409) for a program of the owner's."""
    if caller.user_id is None:
        raise refuse(409, "This key belongs to no person, and only people have passkeys.", "no_person")
    return Asker(caller.organization_id, caller.user_id, caller.key_id)


@router.get("/me/passkeys", **gives(PasskeyList))
async def list_passkeys(caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """The caller's passkeys, newest first; a program of the owner's has none."""
    rows = await run_in_threadpool(passkeys_of, context.database, caller.organization_id, caller.user_id or "")
    return {"data": [_shown(row) for row in rows], "next_cursor": None}


@router.post("/me/passkeys/challenge", **gives(PasskeyAsked, 409))
async def ask_passkey(body: PasskeyAsk, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """What to ask a browser for a passkey with. It is good once, for five minutes, in this session.

    Who signed in more than ten minutes ago gives the password too; wrong ones are counted as at a sign-in.
    """
    asked = accepted(await ask_for_passkey(context, needed_site(context), _asker(caller), body.password))
    return {"ticket": asked.ticket, "public_key": asked.options}


@router.post("/me/passkeys", **gives(PasskeyAnswer, 409, status=201))
async def create_passkey(body: PasskeyBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Keep the passkey that the browser made for a challenge of this session."""
    site, asker = needed_site(context), _asker(caller)
    return _shown(
        accepted(await add_passkey(context, site, asker, body.name, body.ticket, body.credential, caller.authority))
    )


@router.delete("/me/passkeys/{id}", **gives(PasskeyAnswer, 409))
async def delete_passkey(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Remove a passkey of the caller's: it signs nobody in from now on. Sessions it began go on."""
    command = RemovePasskey(caller.organization_id, caller.user_id or "", id)
    return _shown(accepted(await context.till.submit(command, by=caller.authority)))


def _shown(row: Passkey) -> answers.Json:
    return {
        "id": row.id, "name": row.name, "created_at": answers.time(row.created_at),
        "last_used_at": answers.time(row.last_used_at),
    }  # fmt: skip
