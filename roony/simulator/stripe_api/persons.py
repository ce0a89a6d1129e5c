"""Persons of an account: create, retrieve, update, list, delete, and the individual that an account may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roony.simulator import standing
from roony.simulator.events import emit
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.account_shapes import merged, person_shown
from roony.simulator.stripe_api.lists import PAGE, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.person_parameters import PERSON_FIELDS, PERSON_FILTER
from roony.simulator.stripe_api.reaching import changeable_account, reachable_account
from roony.simulator.views import View, body_view, frozen, previous_attributes
from roony.simulator.world import World, metadata_updated

_URL = "/v1/accounts/{account}/persons"
_LISTS = ("alternatives", "currently_due", "errors", "eventually_due", "past_due", "pending_verification")


def create(call: Call) -> View:
    """Add a person to an account."""
    account = changeable_account(call)
    with standing.telling(call.world, account):
        record = _added(call.world, account, call.params)
    return body_view(call.world, record)


def retrieve(call: Call) -> View:
    """Return one person."""
    return body_view(call.world, _found(call, reachable_account(call)))


def update(call: Call) -> View:
    """Change a person; what is not sent stays as it is."""
    account = changeable_account(call)
    record = _found(call, account)
    with standing.telling(call.world, account):
        _change(call.world, record, call.params)
        show_individual(call.world, account)
    return body_view(call.world, record)


def delete(call: Call) -> View:
    """Delete a person, except the representative."""
    account = changeable_account(call)
    record = _found(call, account)
    if record["body"]["relationship"]["representative"]:
        raise invalid("The representative of an account cannot be deleted.")
    with standing.telling(call.world, account):
        call.world.persons.remove(record["id"])
        emit(call.world, account["id"], "person.deleted", record["body"])
        show_individual(call.world, account)
    return {"id": record["id"], "object": "person", "deleted": True}


def listing(call: Call) -> View:
    """Return the persons of an account with the given relations to it, newest first."""
    account = reachable_account(call)
    wanted = call.params.get("relationship", {})
    return page(
        replace(call, account=account["id"]),
        call.world.persons,
        _URL.format(account=account["id"]),
        lambda record: body_view(call.world, record),
        lambda record: all(record["body"]["relationship"][name] == value for name, value in wanted.items()),
    )


def set_individual(world: World, account: Record, params: dict[str, Any]) -> None:
    """Make or change the person that an account of the business type individual is; it represents itself."""
    record = world.persons.get(account.get("individual") or "")
    if record is not None:
        _change(world, record, params)
        return
    relationship = {**params.get("relationship", {}), "representative": True}
    account["individual"] = _added(world, account, {**params, "relationship": relationship})["id"]


def show_individual(world: World, account: Record) -> None:
    """Put the individual into the account, where only that business type shows it."""
    record, body = world.persons.get(account.get("individual") or ""), account["body"]
    if record is not None and body["business_type"] in (None, "individual"):
        body["individual"] = frozen(record["body"])
    else:
        body.pop("individual", None)


def _added(world: World, account: Record, params: Any) -> Record:
    identifier, now = new_id("person"), world.clock.now()
    body = {"id": identifier, "object": "person", "account": account["id"], "created": now, "metadata": {}}
    record = world.persons.add({"id": identifier, "account": account["id"], "body": body, "given": {}})
    _apply(record, params)
    emit(world, account["id"], "person.created", record["body"])
    return record


def _change(world: World, record: Record, params: Any) -> None:
    before = frozen(record["body"])
    _apply(record, params)
    world.persons.touch(record)
    if record["body"] != before:
        changed = previous_attributes(before, record["body"])
        emit(world, record["account"], "person.updated", record["body"], changed)


def _apply(record: Record, params: Any) -> None:
    """Put what was sent into the person and show it."""
    old = record["body"]
    metadata = metadata_updated(old["metadata"], params["metadata"]) if "metadata" in params else old["metadata"]
    sent = {key: value for key, value in params.items() if key not in ("expand", "metadata")}
    record["given"] = merged(record["given"], sent)
    record["body"] = {
        **{key: old[key] for key in ("id", "object", "account", "created")},
        **person_shown(record["given"]),
        "future_requirements": {name: [] for name in _LISTS},
        "metadata": metadata,
        "requirements": {name: [] for name in _LISTS},
    }


def _found(call: Call, account: Record) -> Record:
    return call.world.find(call.world.persons, account["id"], call.path["person"], "person", "person")


OPERATIONS = (
    Operation("GET", _URL, listing, {**PAGE, "relationship": PERSON_FILTER}),
    Operation("POST", _URL, create, PERSON_FIELDS),
    Operation("GET", _URL + "/{person}", retrieve),
    Operation("POST", _URL + "/{person}", update, PERSON_FIELDS),
    Operation("DELETE", _URL + "/{person}", delete),
)
