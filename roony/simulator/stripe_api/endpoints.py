"""Webhook endpoints, the event archive, and ephemeral keys (facts 1.6, 5)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from roony.simulator.asking import VERSION
from roony.simulator.events import event_view
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.lists import CREATED, PAGE, page, within
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Boolean, Field, ListOf, Metadata, Text
from roony.simulator.views import View, endpoint_view
from roony.simulator.world import World, metadata_merged, new_secret

_URL = "/v1/webhook_endpoints"
_EVENTS = "/v1/events"
_KEYS = "/v1/ephemeral_keys"
_MOST = 16  # destinations per account (facts 5)
_KEY_SECONDS = 900  # ephemeral keys for Elements live 15 minutes (facts 1.6)
_TYPE = re.compile(r"\*|[a-z0-9_]+(\.[a-z0-9_]+)+")


def new_endpoint(world: World, account: str, url: str, types: list[str], *, connect: bool, secret: str) -> Record:
    """Register an endpoint; `connect` ones hear of connected accounts instead of the own one."""
    identifier = new_id("we")
    body: dict[str, Any] = {
        "id": identifier,
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": world.clock.now(),
        "description": None,
        "enabled_events": types,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }
    record = {"id": identifier, "account": account, "connect": connect, "secrets": [secret], "body": body}
    return world.endpoints.add(record)


def create(call: Call) -> View:
    """Register an endpoint; the signing secret is shown this once."""
    params = call.params
    _check(params)
    if sum(1 for _ in call.world.endpoints.where("account", call.account)) >= _MOST:
        raise invalid(f"You have reached the maximum of {_MOST} test webhook endpoints.")
    version = params.get("api_version")
    if version is not None and not VERSION.fullmatch(version):
        raise invalid(f"Invalid API version: {version[:60]}", "api_version")
    secret, connect = new_secret(), params.get("connect", False)
    record = new_endpoint(
        call.world, call.account, params["url"], params["enabled_events"], connect=connect, secret=secret
    )
    record["body"]["api_version"] = version
    _describe(record["body"], params)
    return {**endpoint_view(call.world, record), "secret": secret}


def _check(params: Any) -> None:
    if "url" in params:
        address = urlsplit(params["url"])
        if address.scheme not in ("http", "https") or not address.hostname:
            raise invalid("Invalid URL: An explicit scheme (such as https) must be provided.", "url", "url_invalid")
    if "enabled_events" in params:
        if not params["enabled_events"]:
            raise invalid("You must enable at least one event.", "enabled_events")
        for place, name in enumerate(params["enabled_events"]):
            if not _TYPE.fullmatch(name):
                raise invalid(f"Invalid event type: {name[:60]}", f"enabled_events[{place}]")


def _describe(body: dict[str, Any], params: Any) -> None:
    if "description" in params:
        body["description"] = params["description"]
    if "metadata" in params:
        body["metadata"] = metadata_merged(body["metadata"], params["metadata"])


def retrieve(call: Call) -> View:
    """Return one endpoint, without its secret."""
    return endpoint_view(call.world, _found(call))


def update(call: Call) -> View:
    """Change address, types, description, or switch it off and on."""
    _check(call.params)
    record, params = _found(call), call.params
    body = record["body"]
    for key in ("url", "enabled_events"):
        if key in params:
            body[key] = params[key]
    if "disabled" in params:
        body["status"] = "disabled" if params["disabled"] else "enabled"
    _describe(body, params)
    call.world.endpoints.touch(record)
    return endpoint_view(call.world, record)


def delete(call: Call) -> View:
    """Forget an endpoint; what was promised to it is not sent any more."""
    record = _found(call)
    call.world.endpoints.remove(record["id"])
    return {"id": record["id"], "object": "webhook_endpoint", "deleted": True}


def listing(call: Call) -> View:
    """Return endpoints, newest first."""
    world = call.world
    return page(call, world.endpoints, _URL, lambda record: endpoint_view(world, record), lambda _record: True)


def _found(call: Call) -> Record:
    return call.world.find(call.world.endpoints, call.account, call.path["endpoint"], "webhook endpoint")


def event_retrieve(call: Call) -> View:
    """Return one event as it was sent."""
    record = call.world.find(call.world.events, call.account, call.path["event"], "event")
    return event_view(record, connected=call.seen_from_platform)


def event_listing(call: Call) -> View:
    """Return events, newest first; `delivery_success=false` finds what some endpoint has not taken."""
    params = call.params
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "types")
    wanted = params.get("types") or ([params["type"]] if "type" in params else [])
    patterns = [re.compile(re.escape(one).replace(r"\*", ".*")) for one in wanted]
    success = params.get("delivery_success")

    def keep(record: Record) -> bool:
        if patterns and not any(pattern.fullmatch(record["type"]) for pattern in patterns):
            return False
        if success is not None and success != (not record["undelivered"]):
            return False
        return within(params.get("created"), record["created"])

    connected = call.seen_from_platform
    return page(call, call.world.events, _EVENTS, lambda record: event_view(record, connected=connected), keep)


def key_create(call: Call) -> View:
    """Make a short-lived key for one card, as Issuing Elements ask for."""
    world, params = call.world, call.params
    if "issuing_card" in params:
        world.find(world.cards, call.account, params["issuing_card"], "issuing card", "issuing_card")
    elif "customer" not in params and "verification_session" not in params:
        raise invalid("You must pass one of: customer, issuing_card, verification_session.", "issuing_card")
    identifier, now = new_id("ephkey"), world.clock.now()
    body = {
        "id": identifier,
        "object": "ephemeral_key",
        "created": now,
        "expires": now + _KEY_SECONDS,
        "livemode": False,
        "secret": new_id("ek_test", 64),
    }
    world.ephemeral_keys.add({"id": identifier, "account": call.account, "body": body})
    return body


def key_delete(call: Call) -> View:
    """End a key early."""
    world = call.world
    record = world.find(world.ephemeral_keys, call.account, call.path["key"], "ephemeral key")
    world.ephemeral_keys.remove(record["id"])
    return {**record["body"], "expires": min(record["body"]["expires"], world.clock.now())}


_DESCRIBED: dict[str, Field] = {"description": Text(clearable=True), "metadata": Metadata()}
_TYPES = Text(longest=100)
_CREATE: dict[str, Field] = {
    **_DESCRIBED,
    "api_version": Text(),
    "connect": Boolean(),
    "enabled_events": ListOf(required=True, item=_TYPES, clearable=False),
    "url": Text(required=True),
}
_UPDATE: dict[str, Field] = {
    **_DESCRIBED,
    "disabled": Boolean(),
    "enabled_events": ListOf(item=_TYPES, clearable=False),
    "url": Text(),
}
_EVENT_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "delivery_success": Boolean(),
    "type": Text(),
    "types": ListOf(item=Text(), longest=20),
}
_KEY: dict[str, Field] = {
    "customer": Text(),
    "issuing_card": Text(),
    "nonce": Text(),
    "verification_session": Text(),
}

OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, listing, PAGE),
    Operation("GET", _URL + "/{endpoint}", retrieve),
    Operation("POST", _URL + "/{endpoint}", update, _UPDATE),
    Operation("DELETE", _URL + "/{endpoint}", delete),
    Operation("GET", _EVENTS, event_listing, _EVENT_LIST),
    Operation("GET", _EVENTS + "/{event}", event_retrieve),
    Operation("POST", _KEYS, key_create, _KEY),
    Operation("DELETE", _KEYS + "/{key}", key_delete),
)
