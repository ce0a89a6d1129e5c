"""A new passkey: asked for by somebody who signed in just now or gives the password, and made by their device."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.core.passkey import FRESH_SECONDS, Passkey, Site
from roony.core.sign_in import CHALLENGE
from roony.flows.context import FlowContext
from roony.flows.one_time_link import new_link
from roony.flows.passkey import AddPasskey
from roony.flows.passkey_challenge import challenge_of, keep_challenge, spend_challenge
from roony.flows.passkey_check import check_new, registration_options
from roony.flows.password_change import NO_PASSWORD, right_password
from roony.store.authority import Authority
from roony.store.queries.sign_in import find_user, passkeys_of, sessions_of

NEEDS_PASSWORD = Refusal(
    "password_needed", "You signed in a while ago. Give your password too, or sign in again.", 422, "password"
)
OVER = Refusal("challenge_over", "This took too long, or was sent before. Begin again.", 409)


class Asker(NamedTuple):
    """Who wants a passkey: a user, in the session with this key id."""

    organization_id: str
    user_id: str
    session_id: str


class Asked(NamedTuple):
    """What the browser is asked with, and the ticket that comes back with its answer."""

    ticket: str
    options: dict[str, Any]


def _bound(ticket: str, asker: Asker) -> str:
    """What is kept of a ticket is of no use in another session, not even of the same user."""
    return f"{ticket}.{asker.session_id}"


async def ask_for_passkey(context: FlowContext, site: Site, asker: Asker, password: str | None) -> Asked | Refusal:
    """1 a session that is fresh, or the password · 2 a challenge for this session · 3 what the browser is asked."""
    org, user_id = asker.organization_id, asker.user_id
    refused = await _not_fresh(context, asker, password)
    if refused is not None:
        return refused
    user = await asyncio.to_thread(find_user, context.database, org, user_id)
    if user is None:
        return NO_PASSWORD
    ticket = new_link(CHALLENGE).ticket
    await context.till.write(keep_challenge(_bound(ticket, asker), org, user_id, context.clock()))

    def options() -> dict[str, Any]:
        return registration_options(site, challenge_of(ticket), user, passkeys_of(context.database, org, user_id))

    return Asked(ticket, await asyncio.to_thread(options))


async def _not_fresh(context: FlowContext, asker: Asker, password: str | None) -> Refusal | None:
    if password is not None:
        right = await right_password(context, asker.organization_id, asker.user_id, password)
        return right._replace(field="password") if isinstance(right, Refusal) else None
    sessions = await asyncio.to_thread(sessions_of, context.database, asker.organization_id, asker.user_id)
    since = context.clock() - FRESH_SECONDS * SECOND
    fresh = any(row.id == asker.session_id and row.created_at > since for row in sessions)
    return None if fresh else NEEDS_PASSWORD


async def add_passkey(
    context: FlowContext, site: Site, asker: Asker, name: str, ticket: str, answer: dict[str, Any],
    by: Authority | None,
) -> Passkey | Refusal:  # fmt: skip
    """1 the challenge is spent · 2 the device's answer fits it · 3 kept."""
    org, user_id = asker.organization_id, asker.user_id
    if not await context.till.write(spend_challenge(_bound(ticket, asker), org, user_id, context.clock())):
        return OVER
    made = await asyncio.to_thread(check_new, site, challenge_of(ticket), answer)
    if isinstance(made, Refusal):
        return made
    row = Passkey(
        made.credential_id, context.new_id("pky"), org, user_id, name, made.public_key, made.sign_count,
        made.transports, context.clock(), None, None,
    )  # fmt: skip
    return await context.till.submit(AddPasskey(org, row), by=by)
