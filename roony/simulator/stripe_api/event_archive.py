"""The archive of events: what happened in the last 30 days, and what some endpoint has not taken (facts 5)."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from roony.simulator.event_types import EVENT_TYPES
from roony.simulator.events import KEPT_SECONDS, event_view, kept
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, no_such
from roony.simulator.stripe_api.lists import CREATED, PAGE, page, within
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Boolean, Field, ListOf, Text
from roony.simulator.views import View

MAX_TYPES = 20  # in one question
_URL = "/v1/events"


def retrieve(call: Call) -> View:
    """Return one event as it was sent, for 30 days."""
    world = call.world
    record = world.find(world.events, call.account, call.path["event"], "event")
    if not kept(world, record):
        raise no_such("event", record["id"], "id")
    return event_view(record, connected=call.seen_from_platform)


def listing(call: Call) -> View:
    """Return events, newest first; `delivery_success=false` finds what some endpoint has not taken."""
    params, world = call.params, call.world
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "types")
    success, created = params.get("delivery_success"), params.get("created")
    too_old = world.clock.now() - KEPT_SECONDS

    def keep(record: Record) -> bool:
        if record["created"] <= too_old or (success and record["undelivered"]):
            return False
        return within(created, record["created"])

    return page(
        call,
        world.unheard if success is False else world.events,
        _URL,
        lambda record: event_view(record, connected=call.seen_from_platform),
        keep,
        _group(call),
        cursors=world.events,
    )


def _group(call: Call) -> tuple[Any, ...] | None:
    """Return the index and the values of the types asked for, or None for all."""
    types, name = call.params.get("types"), call.params.get("type")
    if name is not None and "*" in name:
        pattern = re.sub(r"([?[])", r"[\1]", name)  # a star is the only sign with a meaning
        types = [one for one in EVENT_TYPES if fnmatchcase(one, pattern)]
    elif name is not None:
        types = [name]
    elif not types:
        return None
    return "account+type", *((call.account, one) for one in dict.fromkeys(types))


_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "delivery_success": Boolean(),
    "type": Text(longest=100),
    "types": ListOf(item=Text(), longest=MAX_TYPES),
}

OPERATIONS = (
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{event}", retrieve),
)
