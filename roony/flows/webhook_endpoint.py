"""The webhook endpoint of one account, made at Stripe on the account itself, and the secret that signs its events.

Its address names the connection (`?connection=con_…`): so the door knows without trying which secret may speak. Only
the answer that makes an endpoint carries its secret; it is sealed and kept in the commit that records the endpoint. One
whose answer was lost is found by its metadata, deleted, and made anew under another key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from roony.core.authorization import STRIPE_VERSION
from roony.core.connection import STANDING, Connection
from roony.core.duration import HOUR, SECOND
from roony.core.errors import Refusal, not_found
from roony.core.hashing import derived_id
from roony.core.preflight import REALTIME
from roony.flows.card import FinishPromise, PutOff
from roony.flows.connection import ask_gently
from roony.flows.connection.routing import read_connection
from roony.flows.context import FlowContext
from roony.flows.inbox import HANDLED_TYPES
from roony.flows.inline import finish_in_time
from roony.gateway import events
from roony.gateway.client import PlainObject
from roony.gateway.errors import StripeCallFailed, StripeForbidden, StripeRefused
from roony.gateway.pool import GatewayBusy
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.outbox import LEASE, new_promise
from roony.store.rows import ConnectionSecret, OutboxPromise
from roony.store.vault import row_name

log = structlog.get_logger("roony.connections")

PATH = "/api/webhooks/stripe"
KIND = "setup_webhooks"
NEEDED = HANDLED_TYPES | {REALTIME}
# How long a secret that was rolled away still counts: what was signed with it may be on its way that long.
ROLLED_FOR = HOUR
MAX_TRIES = 8
ANSWER_SECONDS = 20.0
# After an answer that did not come, Stripe may still be making the endpoint: it is looked for no sooner.
UNSURE_DELAY = 10 * SECOND


class Endpoint(NamedTuple):
    """An endpoint of a connection: since when its secret counts, and until when; None is the current one."""

    id: str
    made_by: str
    until: int | None


def webhook_url(context: FlowContext) -> str:
    """Where Stripe reaches the door."""
    return f"{context.public_url()}{PATH}"


def endpoints_of(connection: Connection) -> list[Endpoint]:
    """The endpoints made for this connection whose secrets may still count."""
    kept: dict[str, list[Any]] = json.loads(connection.webhooks)
    return [Endpoint(id, *rest) for id, rest in sorted(kept.items())]


def secret_name(endpoint_id: str) -> str:
    """The name under which an endpoint's secret is kept with its connection."""
    return f"webhook.{endpoint_id}"


@dataclass(frozen=True, slots=True)
class PromiseWebhooks(Command[OutboxPromise | Refusal]):
    """The owner wants the account's endpoint set up, with `roll` also where there is one: with a new secret."""

    organization_id: str
    connection_id: str
    run: str
    roll: bool
    actor: str

    @property
    def promise_id(self) -> str:
        """One row for each connection: two at once would make two endpoints."""
        return derived_id("out", KIND, self.connection_id)

    def needs(self, now: int) -> Needs:
        """The connection, and the promise of the time before."""
        org = self.organization_id
        return Needs(rows=((Connection, org, self.connection_id), (OutboxPromise, org, self.promise_id)))

    def apply(self, book: Book, now: int) -> OutboxPromise | Refusal:
        """Promises it; who asked keeps the promise first. The generation goes on, so that no key is used twice."""
        connection = book.get(Connection, self.organization_id, self.connection_id)
        if connection is None:
            return not_found("connection", self.connection_id)
        if connection.status not in STANDING:
            return Refusal("connection_inactive", f"The connection is {connection.status}.", 409, id=connection.id)
        before = book.get(OutboxPromise, self.organization_id, self.promise_id)
        if before is not None and before.status == "promised":
            return Refusal("already_running", "The endpoint is being set up. Look again soon.", 409, id=connection.id)
        params = {"roll": self.roll, "actor": self.actor, "run": self.run}
        promise = new_promise(self.organization_id, self.promise_id, KIND, connection.id, params, now, lease=LEASE)
        promise = promise._replace(generation=before.generation + 1 if before is not None else 1)
        book.promise(promise)
        return promise


# Who holds the promise now has deleted the endpoint of an earlier claim, or will: its secret must not count.
OVERTAKEN = Refusal("overtaken", "Another process sets the endpoint up now. Look again soon.", 503)


@dataclass(frozen=True, slots=True)
class RecordWebhook(Command[Connection | Refusal]):
    """An endpoint was made under this claim of the promise: its sealed secret counts from this commit on, those before
    it for `ROLLED_FOR`. `rolled` are endpoints rolled away before: their secrets are erased when that is over."""

    organization_id: str
    connection_id: str
    endpoint_id: str
    sealed: str
    run: str
    actor: str
    promise_id: str
    generation: int
    rolled: tuple[str, ...] = ()

    def needs(self, now: int) -> Needs:
        """The connection, the secret's place and the promise, which another process may have taken over."""
        org, id, names = self.organization_id, self.connection_id, map(secret_name, (self.endpoint_id, *self.rolled))
        secrets = [(ConnectionSecret, org, id, name) for name in names]
        return Needs(rows=((Connection, org, id), (OutboxPromise, org, self.promise_id), *secrets))

    def apply(self, book: Book, now: int) -> Connection | Refusal:
        """Writes both; secrets whose time is over are erased."""
        org, id = self.organization_id, self.connection_id
        connection = book.get(Connection, org, id)
        if connection is None:
            return not_found("connection", id)
        promise = book.get(OutboxPromise, org, self.promise_id)
        if promise is None or (promise.generation, promise.status) != (self.generation, "promised"):
            return OVERTAKEN
        before = [one._replace(until=one.until or now + ROLLED_FOR) for one in endpoints_of(connection)]
        over = [one.id for one in before if (one.until or 0) <= now and one.id in self.rolled]
        kept: dict[str, tuple[str, int | None]] = {
            one.id: (one.made_by, one.until) for one in before if one.id not in over
        }
        for endpoint in over:
            book.put(ConnectionSecret(org, id, secret_name(endpoint), "", now))
        kept[self.endpoint_id] = (self.run, None)
        connection = connection._replace(webhooks=json.dumps(kept, sort_keys=True), updated_at=now)
        book.put(connection)
        book.put(ConnectionSecret(org, id, secret_name(self.endpoint_id), self.sealed, now))
        book.record(org, self.actor, "connection.webhook_made", id, {"endpoint": self.endpoint_id}, now)
        return connection


async def setup_webhooks(
    context: FlowContext, organization_id: str, connection_id: str, roll: bool, actor: str, by: Authority | None = None
) -> Connection | Refusal:
    """Sets the account's endpoint up, or finds that it is; the work goes on where it takes over `ANSWER_SECONDS`."""
    run = context.new_id("out")
    promise = await context.till.submit(PromiseWebhooks(organization_id, connection_id, run, roll, actor), by=by)
    if isinstance(promise, Refusal):
        return promise
    return await finish_in_time(keep_setup_webhooks(context, promise), ANSWER_SECONDS) or _LATER


_PERMISSION = "Making the endpoint needs the permissions webhook_read and webhook_write of the account."
_LATER = Refusal("stripe_unavailable", "Stripe did not answer yet. It is tried again; look again soon.", 503)


async def keep_setup_webhooks(context: FlowContext, promise: OutboxPromise) -> Connection | Refusal | None:
    """1 look which endpoints there are · 2 ours whose secret nobody knows, or is rolled away, are deleted · 3 the one
    that is known is brought in line, or a new one is made and recorded. None when it is to be tried again."""
    org = promise.organization_id
    connection = await read_connection(context, org, promise.subject)
    if connection is None or connection.status not in STANDING:
        await context.till.submit(FinishPromise(org, promise, "over"))
        return not_found("connection", promise.subject)
    try:
        connection = await _set_up(context, connection, promise)
    except StripeRefused as refused:
        await context.till.submit(FinishPromise(org, promise, refused.failure.code or refused.failure.kind.value))
        return Refusal("refused_at_stripe", f"Stripe refused: {refused.failure.message}", 409, id=promise.subject)
    except StripeForbidden as refused:
        # Not tried again: only the owner can grant it. Agents go on buying meanwhile.
        await context.till.submit(FinishPromise(org, promise, refused.failure.code or refused.failure.kind.value))
        words = f"{_PERMISSION} Stripe refused: {refused.failure.message}"
        return Refusal("stripe_permission_missing", words, 409, id=promise.subject)
    except (StripeCallFailed, GatewayBusy) as error:
        log.warning("connection.webhooks_put_off", connection=connection.id, error=str(error)[:300])
        if promise.tries + 1 >= MAX_TRIES:
            await context.till.submit(FinishPromise(org, promise, type(error).__name__))
            return _LATER
        word, delay = type(error).__name__, UNSURE_DELAY * 2 ** min(promise.tries, 5)
        await context.till.submit(PutOff(org, promise, promise.key, promise.attempt, delay, word))
        return None
    await context.till.submit(FinishPromise(org, promise))
    return connection


async def _set_up(context: FlowContext, connection: Connection, promise: OutboxPromise) -> Connection:
    params = json.loads(promise.params)
    there = await ask_gently(context, connection, events.list_webhook_endpoints)
    ours = [one for one in there if _is_ours(one, connection)]
    current = [one for one in endpoints_of(connection) if one.until is None]
    wanted = {one.id for one in current if not params["roll"] or one.made_by == params["run"]}
    good = [one for one in ours if one["id"] in wanted and one.get("api_version") == STRIPE_VERSION]
    if not good:
        given, key = _params(context, connection), _key(promise)
        made = await ask_gently(context, connection, events.create_webhook_endpoint, given, key)
        connection = await _record(context, connection, made, promise)
        good = [made]
    elif not _is_in_line(good[0], _params(context, connection)):
        wish = _params(context, connection)
        change = {"enabled_events": wish["enabled_events"], "url": wish["url"], "disabled": False}
        await ask_gently(
            context, connection, events.update_webhook_endpoint, good[0]["id"], change, f"{_key(promise)}:update"
        )
    for one in ours:
        if one["id"] != good[0]["id"]:
            await ask_gently(context, connection, events.delete_webhook_endpoint, one["id"])
    return connection


def _is_ours(endpoint: PlainObject, connection: Connection) -> bool:
    return bool((endpoint.get("metadata") or {}).get("roony_connection") == connection.id)


def _is_in_line(endpoint: PlainObject, wish: dict[str, Any]) -> bool:
    enabled = endpoint.get("status") == "enabled" and endpoint.get("url") == wish["url"]
    return enabled and set(endpoint.get("enabled_events") or ()) == set(wish["enabled_events"])


def _params(context: FlowContext, connection: Connection) -> dict[str, Any]:
    return {
        "url": f"{webhook_url(context)}?connection={connection.id}",
        "api_version": STRIPE_VERSION,
        "enabled_events": sorted(NEEDED),
        "description": "Made by Roony",
        "metadata": {"roony_connection": connection.id, "roony_organization": connection.organization_id},
    }


def _key(promise: OutboxPromise) -> str:
    """A key for each claim of the promise: an endpoint of an earlier one, whose secret was lost, is deleted instead."""
    return f"{promise.id}:{promise.generation}"


async def _record(
    context: FlowContext, connection: Connection, made: PlainObject, promise: OutboxPromise
) -> Connection:
    org, id, params = connection.organization_id, str(made["id"]), json.loads(promise.params)
    name = secret_name(id)
    sealed = context.vault.seal(str(made["secret"]), row_name("connection_secrets", org, connection.id, name))
    rolled = tuple(one.id for one in endpoints_of(connection) if one.until is not None)
    command = RecordWebhook(
        org, connection.id, id, sealed, params["run"], params["actor"], promise.id, promise.generation, rolled
    )
    answer = await context.till.submit(command)
    if isinstance(answer, Refusal):
        raise GatewayBusy(answer.code)
    return answer
