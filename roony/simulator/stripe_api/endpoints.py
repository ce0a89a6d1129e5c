"""Webhook endpoints: where events go, which ones, and the secrets that sign them (facts 5)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from roony.simulator.event_types import API_VERSIONS, EVENT_TYPES
from roony.simulator.events import taken
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.lists import PAGE, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Boolean, Field, ListOf, Metadata, Text
from roony.simulator.views import View, endpoint_view
from roony.simulator.world import API_VERSION, CLIENT_ID, World, metadata_updated, new_secret

MAX_ENDPOINTS = 16  # destinations of an account (facts 5)
MAX_OTHER_VERSIONS = 3  # different versions, beside the account's own, that an account's endpoints use (facts 5)
MAX_SECRETS = 5  # signing one endpoint's events at once, while old ones are rolled away
_URL = "/v1/webhook_endpoints"


def new_endpoint(world: World, account: str, url: str, types: list[str], *, connect: bool, secret: str) -> Record:
    """Register an endpoint; `connect` ones hear of connected accounts instead of the own one."""
    identifier = new_id("we")
    body: dict[str, Any] = {
        "id": identifier,
        "object": "webhook_endpoint",
        "api_version": None,
        "application": CLIENT_ID if connect else None,
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


def roll_secret(world: World, endpoint: Record, seconds: int) -> str:
    """Give an endpoint a new signing secret and return it; the old one signs as well for so many seconds.

    Stripe rolls secrets in the Dashboard only; the old one may stay for up to a day (facts 5).
    """
    now = world.clock.now()
    ending = [old for old in endpoint.get("ending", ()) if old["until"] > now]
    if seconds > 0:
        if len(ending) + 2 > MAX_SECRETS:
            raise invalid(f"This endpoint has {MAX_SECRETS} active secrets already: wait until some have ended.")
        ending.append({"secret": endpoint["secrets"][0], "until": now + seconds})
    endpoint["ending"], endpoint["secrets"] = ending, [new_secret()]
    world.endpoints.touch(endpoint)
    return str(endpoint["secrets"][0])


def create(call: Call) -> View:
    """Register an endpoint; the signing secret is shown this once."""
    params, version = call.params, call.params.get("api_version")
    _check_url(params)
    _check_room(call, version)
    secret, connect = new_secret(), params.get("connect", False)
    record = new_endpoint(
        call.world, call.account, params["url"], params["enabled_events"], connect=connect, secret=secret
    )
    record["body"]["api_version"] = version
    _describe(record["body"], params)
    return {**endpoint_view(call.world, record), "secret": secret}


def _check_url(params: Any) -> None:
    if "url" not in params:
        return
    try:
        address = urlsplit(params["url"])
        usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # an unclosed bracket, or a port that is no number
        usable = False
    if not usable:
        raise invalid("Invalid URL: An explicit scheme (such as https) must be provided.", "url", "url_invalid")


def _check_room(call: Call, version: str | None) -> None:
    endpoints = list(call.world.endpoints.where("account", call.account))
    if len(endpoints) >= MAX_ENDPOINTS:
        raise invalid(f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.")
    others = {one["body"]["api_version"] for one in endpoints} | {version}
    if len(others - {None, API_VERSION}) > MAX_OTHER_VERSIONS:
        raise invalid(
            f"Your webhook endpoints use {MAX_OTHER_VERSIONS} API versions beside your account's already.",
            "api_version",
        )


def _describe(body: dict[str, Any], params: Any) -> None:
    if "metadata" in params:
        body["metadata"] = metadata_updated(body["metadata"], params["metadata"])
    if "description" in params:
        body["description"] = params["description"]


def retrieve(call: Call) -> View:
    """Return one endpoint, without its secret."""
    return endpoint_view(call.world, _found(call))


def update(call: Call) -> View:
    """Change address, types, description, or switch it off and on."""
    _check_url(call.params)
    record, params = _found(call), call.params
    body = record["body"]
    _describe(body, params)
    for key in ("url", "enabled_events"):
        if key in params:
            body[key] = params[key]
    if "disabled" in params:
        body["status"] = "disabled" if params["disabled"] else "enabled"
    call.world.endpoints.touch(record)
    return endpoint_view(call.world, record)


def delete(call: Call) -> View:
    """Forget an endpoint; what was promised to it is not sent any more, and no event waits for it."""
    world, record = call.world, _found(call)
    world.endpoints.remove(record["id"])
    for event in world.unheard:
        if record["id"] in event["undelivered"]:
            taken(world, event, record["id"])
    return {"id": record["id"], "object": "webhook_endpoint", "deleted": True}


def listing(call: Call) -> View:
    """Return endpoints, newest first."""
    world = call.world
    return page(call, world.endpoints, _URL, lambda record: endpoint_view(world, record), lambda _record: True)


def _found(call: Call) -> Record:
    return call.world.find(call.world.endpoints, call.account, call.path["endpoint"], "webhook endpoint")


_DESCRIBED: dict[str, Field] = {"description": Text(clearable=True), "metadata": Metadata()}
_TYPES = Text(choices=EVENT_TYPES)
_CREATE: dict[str, Field] = {
    **_DESCRIBED,
    "api_version": Text(choices=API_VERSIONS),
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

OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, listing, PAGE),
    Operation("GET", _URL + "/{endpoint}", retrieve),
    Operation("POST", _URL + "/{endpoint}", update, _UPDATE),
    Operation("DELETE", _URL + "/{endpoint}", delete),
)
