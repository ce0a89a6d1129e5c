"""Accounts: the own one, and those the platform makes, changes, rejects and deletes (facts 6.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from roony.simulator import standing
from roony.simulator.accounts import controller_of
from roony.simulator.connecting import application
from roony.simulator.events import emit
from roony.simulator.exchange import check_currency
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import Refusal, invalid
from roony.simulator.stripe_api import account_parameters, external_accounts, persons
from roony.simulator.stripe_api.account_shapes import company_shown, merged, profile_shown, settings_shown
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Text
from roony.simulator.stripe_api.reaching import changeable_account, reachable_account
from roony.simulator.topups import settle_due
from roony.simulator.views import View, balance_view, body_view
from roony.simulator.world import metadata_updated

_URL = "/v1/accounts"
_COUNTRY = re.compile(r"[A-Z]{2}")


def own(call: Call) -> View:
    """Return the account acted for."""
    return body_view(call.world, call.world.accounts[call.account])


def retrieve(call: Call) -> View:
    """Return the own account or a connected one; others are refused as Stripe does, with 403."""
    return body_view(call.world, reachable_account(call))


def create(call: Call) -> View:
    """Make a connected account, by default of the kind that Issuing works with; it is funded for tests.

    Everything that may be refused is looked at before anything is made.
    """
    world, params = call.world, call.params
    if call.account != world.platform:
        raise Refusal(400, "Only the platform can create connected accounts.")
    if "type" in params and "controller" in params:
        raise invalid("You may not give both `type` and `controller`: they exclude each other.", "controller")
    controller, kind = controller_of(params.get("type"), params.get("controller"))
    country = params.get("country", "US")
    _check(params, country)
    bank = external_accounts.checked(world, params.get("external_account"), country)
    name = params.get("business_profile", {}).get("name")
    record = world.add_account(name or "Connected business", country, "custom", connected=True)
    body = record["body"]
    body.update(controller=controller, type=kind, business_type=None, capabilities={})
    body["business_profile"]["name"] = name
    body["tos_acceptance"] = {"date": None, "ip": None, "user_agent": None}
    record["asked"] = {}
    _apply(record, params)
    # The first thing told of an account is how it was made: only what follows is a change.
    emit(world, record["id"], "account.application.authorized", application())
    with standing.telling(world, record):
        _apply_parts(call, record, bank)
    return body_view(world, record)


def update(call: Call) -> View:
    """Change an account; what is not sent stays as it is."""
    record, params = changeable_account(call), call.params
    _check(params, record["body"]["country"])
    bank = external_accounts.checked(call.world, params.get("external_account"), record["body"]["country"])
    with standing.telling(call.world, record):
        _apply(record, params)
        _apply_parts(call, record, bank)
    return body_view(call.world, record)


def _check(params: Mapping[str, Any], country: str) -> None:
    if not _COUNTRY.fullmatch(country):
        raise invalid(f"Country '{country[:10]}' is unknown. Use a two-letter code.", "country", "country_unsupported")
    if "default_currency" in params:
        check_currency(params["default_currency"], "default_currency")


def _apply(record: Record, params: Mapping[str, Any]) -> None:
    """Put the parameters into the account itself."""
    body, given = record["body"], record["given"]
    if "metadata" in params:
        body["metadata"] = metadata_updated(body["metadata"], params["metadata"])
    for key in ("business_type", "email"):
        if key in params:
            body[key] = params[key]
    if "default_currency" in params:
        body["default_currency"] = params["default_currency"].lower()
    if "business_profile" in params:
        body["business_profile"] = profile_shown(body["business_profile"], params["business_profile"])
    if "company" in params:
        given["company"] = merged(given.get("company", {}), params["company"])
        body["company"] = company_shown(given["company"])
    if "settings" in params:
        body["settings"] = settings_shown(body["settings"], params["settings"])
    if "tos_acceptance" in params:
        body["tos_acceptance"] = merged(body["tos_acceptance"], params["tos_acceptance"])
    if "groups" in params:
        body["groups"] = {"payments_pricing": None, **body.get("groups", {}), **params["groups"]}
    if "documents" in params:
        given["documents"] = merged(given.get("documents", {}), params["documents"])


def _apply_parts(call: Call, record: Record, bank: View | None) -> None:
    """Put in what are objects of their own: the individual, the external account, the capabilities."""
    world, params = call.world, call.params
    if "individual" in params:
        persons.set_individual(world, record, params["individual"])
    persons.show_individual(world, record)
    if bank is not None:
        external_accounts.replace_default(world, record, bank)
    elif "external_account" in params:
        external_accounts.remove_all(world, record)
    wishes = params.get("capabilities", {})
    standing.ask(world, record, {name: wish["requested"] for name, wish in wishes.items() if "requested" in wish})


def delete(call: Call) -> View:
    """Delete an account that the platform made: its connection ends with it."""
    return standing.end(call.world, changeable_account(call))


def reject(call: Call) -> View:
    """Reject an account: its capabilities become inactive, so that its cards are declined."""
    record = changeable_account(call)
    with standing.telling(call.world, record):
        standing.reject(record, call.params["reason"], pause_payouts=call.params.get("payouts_action") != "none")
    return body_view(call.world, record)


def unreject(call: Call) -> View:
    """Take a rejection back."""
    record = changeable_account(call)
    with standing.telling(call.world, record):
        standing.unreject(record)
    return body_view(call.world, record)


def login_link(call: Call) -> View:
    """Return a link to the Express Dashboard, for accounts that have one; in the simulation it leads nowhere."""
    record = changeable_account(call)
    if record["body"]["controller"].get("stripe_dashboard", {}).get("type") != "express":
        raise invalid(f"Login links are for accounts with the Express Dashboard, which '{record['id']}' does not have.")
    address = f"https://connect.stripe.com/express/{record['id']}/{new_id('link', 16)}"
    return {"object": "login_link", "created": call.world.clock.now(), "url": address}


def listing(call: Call) -> View:
    """Return the accounts connected to the platform, newest first; empty for anyone else."""
    world, keep = call.world, matcher(call.params)
    asked_by_platform = call.account == world.platform
    return page(
        call,
        world.accounts,
        _URL,
        lambda record: body_view(world, record),
        lambda record: asked_by_platform and bool(record["connected"]) and keep(record),
        ("every", None),
    )


def balance(call: Call) -> View:
    """Return the balance of the account acted for, with the top-ups that have arrived by now."""
    settle_due(call.world)
    return balance_view(call.world.accounts[call.account])


_REJECT = {
    "payouts_action": Text(choices=("none", "pause")),
    "reason": Text(required=True, choices=standing.REJECT_REASONS),
}

OPERATIONS = (
    Operation("GET", "/v1/account", own),
    Operation("GET", _URL, listing, {**PAGE, **CREATED}),
    Operation("POST", _URL, create, account_parameters.CREATE),
    Operation("GET", _URL + "/{account}", retrieve),
    Operation("POST", _URL + "/{account}", update, account_parameters.UPDATE),
    Operation("DELETE", _URL + "/{account}", delete),
    Operation("POST", _URL + "/{account}/reject", reject, _REJECT),
    Operation("POST", _URL + "/{account}/unreject", unreject),
    Operation("POST", _URL + "/{account}/login_links", login_link),
    Operation("GET", "/v1/balance", balance),
)
