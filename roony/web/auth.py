"""Who calls: the bearer key of an agent or of the owner, looked up by its hash for every request.

Only for asks a look-up of before will do: their command looks at the key itself, in its commit (`known_keys.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from roony.core.agent import Agent
from roony.core.errors import BrokenCaller
from roony.core.hashing import text_hash
from roony.core.role import OWNER_ONLY, may
from roony.flows.change_feed import ChangeFeed
from roony.flows.context import FlowContext
from roony.log_ids import learn
from roony.store.authority import AgentAuthority, Authority, wrong_role
from roony.store.queries.keys import Holder, holder_of
from roony.web.errors import Refused, refuse
from roony.web.key_guard import KeyGuard
from roony.web.known_keys import KnownKeys
from roony.web.session import BY_ITSELF_HEADER, CSRF_HEADER, check_csrf, session_text

MAX_KEY_LENGTH = 200
# In the scope of a request that was counted already, or that a part of this very process makes for one that was.
INSIDE = "roony.inside"

# Only for the documentation: the route checks the key before anything is parsed (see requests.py).
AGENT_KEY = Security(HTTPBearer(scheme_name="AgentKey", description="`roony_agent_…`", auto_error=False))
ADMIN_KEY = Security(HTTPBearer(scheme_name="AdminKey", description="`roony_admin_…`", auto_error=False))


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key it was.

    `actor` is the name used in audit records: the agent's id, the user's, or that of a key that belongs to nobody.
    `agent` and `scopes` (empty: all of them) are of an agent's key only, `role` of an admin key only, `user_id` of one
    that belongs to a user. `authority` goes with each command of an admin key, `agent_authority` with an agent's asks:
    it is looked at again under the lock. `remembered`: nobody looked before that.
    """

    organization_id: str
    actor: str
    key_id: str
    agent: Agent | None = None
    scopes: tuple[str, ...] = ()
    role: str | None = None
    user_id: str | None = None
    authority: Authority | None = None
    agent_authority: AgentAuthority | None = None
    remembered: bool = False

    def has(self, scope: str) -> bool:
        """True if an agent's key is good for this scope."""
        return not self.scopes or scope in self.scopes


async def authenticate(request: Request, kind: str, permission: str | None, remembered: bool = False) -> Caller:
    """The caller of a route for `kind` ("agent" or "admin") that needs this permission or scope (`permissions.py`).

    1 the key is known and good, here and now · 2 it did not call too often · 3 its kind, and its role or scopes, fit.
    Without a permission any of an agent's keys will do. A browser's session stands for an admin key where none is sent;
    what changes something needs its token too. An agent's key that is `remembered` is not looked up again: for routes
    whose command carries `agent_authority`. Raises Refused with 401, 403 or 429.
    """
    session = session_text(request) if kind == "admin" and "authorization" not in request.headers else None
    if session is not None:
        check_csrf(request, session, request.headers.get(CSRF_HEADER), merely_reads=permission == "read")
        return await caller_in_session(request, session, permission)
    return await _caller(request, bearer(request), kind, permission, remembered)


async def caller_in_session(request: Request, session: str, permission: str | None) -> Caller:
    """The person whose session this is. Raises Refused as `authenticate` does."""
    return await _caller(request, session, "session", permission)


async def caller_with(request: Request, text: str, kind: str, permission: str | None) -> Caller:
    """The caller who sent this key, be it in a header or in a form of ours. Raises Refused as `authenticate` does."""
    return await _caller(request, text, kind, permission)


async def _caller(
    request: Request, text: str, kind: str, permission: str | None, remembered: bool = False
) -> Caller:  # fmt: skip
    if not is_key(text):
        raise _unauthorized("This is not a key of Roony.")
    context: FlowContext = request.app.state.context
    guard: KeyGuard = request.app.state.key_guard
    known: KnownKeys = request.app.state.known_keys
    hashed = text_hash(text)
    holder = known.holder(hashed) if remembered else None
    remembered = holder is not None
    if holder is None:
        holder = await _holder(request, hashed)
    if holder is None:
        raise _unauthorized("This key is not known.")
    key, now = holder.key, context.clock()
    learn(organization_id=key.organization_id)
    problem = guard.problem(request, key, now)
    if problem is not None:
        raise problem
    if INSIDE not in request.scope:
        guard.count(key)
    # A page left open uses nothing: neither its stream that is looked at again, nor its being drawn again.
    by_itself = INSIDE in request.scope or (request.method == "GET" and BY_ITSELF_HEADER in request.headers)
    if (key.kind != "session" or not by_itself) and guard.note_use(context, key, now):
        holder = holder._replace(key=key._replace(last_used_at=now))
    if key.kind != kind:
        whose = "an agent's key" if kind == "agent" else "an admin key"
        raise refuse(403, f"This address wants {whose}.", "wrong_kind_of_key")
    if kind != "agent":
        return _person(holder, permission or OWNER_ONLY)
    known.keep(holder)
    return _agent(holder, permission, remembered)


async def _holder(request: Request, hashed: str) -> Holder | None:
    """Whose key it is. Raises Refused (429) where too many unknown ones came from this address."""
    guard: KeyGuard = request.app.state.key_guard
    guard.admit(request, hashed)
    holder = await run_in_threadpool(holder_of, request.app.state.context.database, hashed)
    if holder is None:
        guard.note_unknown(request)
    else:
        guard.note_found(hashed)
    return holder


def _agent(holder: Holder, scope: str | None, remembered: bool) -> Caller:
    if holder.agent is None:
        raise _unauthorized("The agent of this key is gone.")
    key, agent = holder.key, holder.agent
    caller = Caller(
        key.organization_id, agent.id, key.id, agent, tuple(key.scopes.split()),
        agent_authority=AgentAuthority(key.hash, agent), remembered=remembered,
    )  # fmt: skip
    if scope is not None and not caller.has(scope):
        message = f"This needs a key with the scope {scope}; this one has: {', '.join(caller.scopes)}."
        raise refuse(403, message, "scope_missing")
    return caller


def _person(holder: Holder, permission: str) -> Caller:
    key = holder.key
    wrong = wrong_role(holder.role, permission)
    if wrong is not None:
        raise Refused(wrong)
    authority = Authority(key.organization_id, key.hash, key.user_id, permission)
    actor = key.user_id or key.id
    return Caller(
        key.organization_id, actor, key.id, role=holder.role, user_id=key.user_id, authority=authority
    )  # fmt: skip


async def who_may_reveal(request: Request, organization_id: str, key: str) -> Caller | None:
    """Who a person is who wants to see card details of this organization.

    None when this key gives nobody that right here; whoever else it may belong to is not told.
    """
    if not is_key(key):
        return None
    context: FlowContext = request.app.state.context
    guard: KeyGuard = request.app.state.key_guard
    holder = await _holder(request, text_hash(key))
    if holder is None or holder.key.kind != "admin" or guard.problem(request, holder.key, context.clock()) is not None:
        return None
    if holder.key.organization_id != organization_id or holder.role is None or not may(holder.role, "reveal"):
        return None
    guard.note_use(context, holder.key, context.clock())
    return _person(holder, "reveal")


def is_key(text: str) -> bool:
    """True if this could be a key of Roony's."""
    return len(text) <= MAX_KEY_LENGTH and text.isascii() and text.startswith("roony_")


def bearer(request: Request) -> str:
    """The key that was sent. Raises Refused (401) when there is none that could be one."""
    given = request.headers.getlist("authorization")
    scheme, _, text = (given[0] if len(given) == 1 else "").partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise _unauthorized("Send your key as `Authorization: Bearer roony_…`.")
    return text


def _unauthorized(message: str) -> Refused:
    return refuse(401, message)


# What follows is `async` though it waits for nothing: FastAPI sends every other dependency to a thread and back.
async def caller_of(request: Request) -> Caller:
    """The caller that the route has established."""
    caller: Caller = request.state.caller
    return caller


async def context_of(request: Request) -> FlowContext:
    """What the flows work with."""
    context: FlowContext = request.app.state.context
    return context


async def feed_of(request: Request) -> ChangeFeed:
    """Where a request waits for something to happen."""
    feed: ChangeFeed = request.app.state.feed
    return feed


FeedOf = Annotated[ChangeFeed, Depends(feed_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]
ContextOf = Annotated[FlowContext, Depends(context_of)]


def agent_in(caller: Caller) -> Agent:
    """The agent whose key it was. Raises BrokenCaller where it was a person's."""
    if caller.agent is None:
        raise BrokenCaller("only a route for agents has an agent")
    return caller.agent


async def agent_of(request: Request) -> Agent:
    """The agent that calls. Raises BrokenCaller on a route that is not for agents."""
    return agent_in(request.state.caller)


AgentOf = Annotated[Agent, Depends(agent_of)]
