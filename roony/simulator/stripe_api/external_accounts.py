"""Bank accounts and debit cards that an account is paid out to: create, retrieve, update, list, delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roony.simulator import standing
from roony.simulator.events import emit
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, unknown_parameter
from roony.simulator.stripe_api import external_account_parameters as parameters
from roony.simulator.stripe_api.external_account_shapes import bank_account, card_dates, debit_card, from_token
from roony.simulator.stripe_api.lists import PAGE, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Text
from roony.simulator.stripe_api.reaching import changeable_account, reachable_account
from roony.simulator.views import View, body_view, frozen, previous_attributes
from roony.simulator.world import World, metadata_merged, metadata_updated

_URL = "/v1/accounts/{account}/external_accounts"
_INSIDE = 10  # so many of them an account shows by itself; the list has the rest
_PREFIXES = {"bank_account": "ba", "card": "card"}


def checked(world: World, given: Any, country: str) -> View | None:
    """Return the object that a token or a hash stands for, not kept yet, or refuse it; None for nothing."""
    if given is None:
        return None
    token = given if isinstance(given, str) else given.get("token")
    if token is not None:
        thing = from_token(token, world.clock.now())
        if isinstance(given, dict) and given.get("currency"):
            thing["currency"] = given["currency"].lower()
        return thing
    return bank_account(given, country) if "account_number" in given else debit_card(given, world.clock.now())


def create(call: Call) -> View:
    """Add a bank account or a debit card; the first of its currency is the default for it."""
    account, params = changeable_account(call), call.params
    thing = checked(call.world, params["external_account"], account["body"]["country"])
    if thing is None:
        raise invalid("An external account cannot be empty.", "external_account")
    thing["metadata"] = metadata_merged(thing["metadata"], params.get("metadata") or {})
    wanted = thing.pop("wants_default", False) or params.get("default_for_currency", False)
    with standing.telling(call.world, account):
        record = _added(call.world, account, thing, default=wanted)
        _show(call.world, account)
    return body_view(call.world, record)


def retrieve(call: Call) -> View:
    """Return one bank account or card."""
    return body_view(call.world, _found(call, reachable_account(call)))


def update(call: Call) -> View:
    """Change the holder of a bank account, the address and date of a card, metadata, or which is the default."""
    account = changeable_account(call)
    record, params = _found(call, account), call.params
    bank = record["body"]["object"] == "bank_account"
    for name in parameters.CARD_UPDATE if bank else parameters.BANK_UPDATE:
        if name in params:
            raise unknown_parameter(name)
    if params.get("default_for_currency") is False and record["body"]["default_for_currency"]:
        raise invalid("Make another external account the default instead.", "default_for_currency")
    plain = ("account_holder_name", "account_holder_type", "account_type", *parameters.CARD_ADDRESS, "name")
    change = {name: params[name] for name in plain if name in params}
    if not bank:
        change |= card_dates({**record["body"], **params}, call.world.clock.now())
    if "metadata" in params:
        change["metadata"] = metadata_updated(record["body"]["metadata"], params["metadata"])
    with standing.telling(call.world, account):
        before = frozen(record["body"])
        record["body"].update(change)
        if params.get("default_for_currency"):
            _make_default(call.world, record)
        _told(call.world, record, before)
        _show(call.world, account)
    return body_view(call.world, record)


def delete(call: Call) -> View:
    """Delete a bank account or card.

    The default for a currency cannot go while it is that of the account's own currency or while there is another
    one of its currency: that has to become the default first (Stripe's reference on deleting external accounts).
    """
    account = changeable_account(call)
    record = _found(call, account)
    body, currency = record["body"], record["body"]["currency"]
    others = [one for one in _of(call.world, account) if one is not record and one["body"]["currency"] == currency]
    if body["default_for_currency"] and (others or currency == account["body"]["default_currency"]):
        raise invalid(
            "This is the default external account for its currency and cannot be deleted: make another one the "
            "default with `default_for_currency` first."
        )
    with standing.telling(call.world, account):
        _remove(call.world, record)
        _show(call.world, account)
    return {"id": record["id"], "object": body["object"], "currency": currency, "deleted": True}


def listing(call: Call) -> View:
    """Return the bank accounts and cards of an account, or one kind of them, newest first."""
    account = reachable_account(call)
    kind = call.params.get("object")
    return page(
        replace(call, account=account["id"]),
        call.world.external_accounts,
        _URL.format(account=account["id"]),
        lambda record: body_view(call.world, record),
        lambda record: kind in {None, record["body"]["object"]},
    )


def replace_default(world: World, account: Record, thing: View) -> None:
    """Add an external account as the default for its currency; the old default goes."""
    thing.pop("wants_default", None)
    for record in list(_of(world, account)):
        if record["body"]["default_for_currency"] and record["body"]["currency"] == thing["currency"]:
            _remove(world, record)
    _added(world, account, thing, default=True)
    _show(world, account)


def remove_all(world: World, account: Record) -> None:
    """Remove every external account: the account is paid out nowhere."""
    for record in list(_of(world, account)):
        _remove(world, record)
    _show(world, account)


def _added(world: World, account: Record, thing: View, *, default: bool) -> Record:
    identifier = new_id(_PREFIXES[thing["object"]])
    first = not any(one["body"]["currency"] == thing["currency"] for one in _of(world, account))
    body = {**thing, "id": identifier, "account": account["id"], "default_for_currency": first}
    record = world.external_accounts.add({"id": identifier, "account": account["id"], "body": body})
    if default:
        _make_default(world, record)
    emit(world, account["id"], "account.external_account.created", record["body"])
    return record


def _make_default(world: World, record: Record) -> None:
    """Make one the default for its currency, and every other one not."""
    for one in world.external_accounts.where("account", record["account"]):
        if one is not record and one["body"]["currency"] == record["body"]["currency"]:
            before = frozen(one["body"])
            one["body"]["default_for_currency"] = False
            _told(world, one, before)
    record["body"]["default_for_currency"] = True


def _told(world: World, record: Record, before: View) -> None:
    world.external_accounts.touch(record)
    if record["body"] != before:
        changed = previous_attributes(before, record["body"])
        emit(world, record["account"], "account.external_account.updated", record["body"], changed)


def _remove(world: World, record: Record) -> None:
    world.external_accounts.remove(record["id"])
    emit(world, record["account"], "account.external_account.deleted", record["body"])


def _show(world: World, account: Record) -> None:
    """Put the newest ones into the account."""
    newest = [frozen(one["body"]) for one in world.external_accounts.newest_first("account", account["id"])]
    account["body"]["external_accounts"] = {
        **account["body"]["external_accounts"],
        "data": newest[:_INSIDE],
        "has_more": len(newest) > _INSIDE,
    }


def _of(world: World, account: Record) -> list[Record]:
    return list(world.external_accounts.where("account", account["id"]))


def _found(call: Call, account: Record) -> Record:
    identifier = call.path["id"]
    return call.world.find(call.world.external_accounts, account["id"], identifier, "external account")


_LIST = {**PAGE, "object": Text(choices=parameters.KINDS)}

OPERATIONS = (
    Operation("GET", _URL, listing, _LIST),
    Operation("POST", _URL, create, parameters.CREATE),
    Operation("GET", _URL + "/{id}", retrieve),
    Operation("POST", _URL + "/{id}", update, parameters.UPDATE),
    Operation("DELETE", _URL + "/{id}", delete),
)
