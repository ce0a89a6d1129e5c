"""Cardholders: create, retrieve, update, list (facts 1.1)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from roony.simulator.events import emit
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, not_now
from roony.simulator.stripe_api.controls import CONTROL_FIELDS, merged_controls, no_controls
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Group, Integer, ListOf, Metadata, Text
from roony.simulator.views import View, body_view, frozen, previous_attributes
from roony.simulator.world import metadata_updated

_URL = "/v1/issuing/cardholders"
_LONGEST_NAME = 24
# Printed on cards: letters of any language, spaces and a few marks; no digits, no special characters.
_NAME = re.compile(r"(?:[^\W\d_]|[ .,'\-/&])+")
_PERSON = re.compile(r"(?:[^\W\d_]|[ .'\-])+")
_YOUNGEST = 13
_PAST_DUE = "requirements.past_due"
_NATIONAL = re.compile(r"1?[2-9][0-9]{9}")
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{6,14}")
# Stripe wants a dot in the domain, and no spaces around the address.
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_ADDRESS_PARTS = ("city", "country", "line1", "line2", "postal_code", "state")

ADDRESS = Group(
    required=True,
    fields={
        "city": Text(required=True),
        "country": Text(required=True, longest=2),
        "line1": Text(required=True),
        "line2": Text(clearable=True),
        "postal_code": Text(required=True),
        "state": Text(clearable=True),
    },
)
_TERMS = Group(fields={"date": Integer(), "ip": Text(), "user_agent": Text(clearable=True)})
_INDIVIDUAL = Group(
    fields={
        "card_issuing": Group(fields={"user_terms_acceptance": _TERMS}),
        "dob": Group(
            fields={
                "day": Integer(required=True, least=1, most=31),
                "month": Integer(required=True, least=1, most=12),
                "year": Integer(required=True, least=1900, most=2100),
            }
        ),
        "first_name": Text(),
        "last_name": Text(),
        "verification": Group(fields={"document": Group(fields={"back": Text(), "front": Text()})}),
    }
)
_COMMON: dict[str, Field] = {
    "company": Group(fields={"tax_id": Text()}),
    "email": Text(longest=800),
    "individual": _INDIVIDUAL,
    "metadata": Metadata(),
    "phone_number": Text(longest=50),
    "preferred_locales": ListOf(item=Text(choices=("de", "en", "es", "fr", "it"))),
    "spending_controls": Group(fields={**CONTROL_FIELDS, "spending_limits_currency": Text(longest=3)}),
    "status": Text(choices=("active", "inactive")),
}


def create(call: Call) -> View:
    """Make a cardholder; its name must be printable (at most 24 characters, no digits or special ones)."""
    params = call.params
    _check_name(params["name"])
    identifier = new_id("ich")
    body: dict[str, Any] = {
        "id": identifier,
        "object": "issuing.cardholder",
        "billing": {"address": dict.fromkeys(_ADDRESS_PARTS)},
        "company": None,
        "created": call.world.clock.now(),
        "email": None,
        "individual": None,
        "livemode": False,
        "metadata": {},
        "name": params["name"],
        "phone_number": None,
        "preferred_locales": [],
        "requirements": {"disabled_reason": None, "past_due": []},
        "spending_controls": no_controls(None),
        "status": params.get("status", "active"),
        "type": params.get("type", "individual"),
    }
    _apply(body, params)
    _check_age(body, call.world.clock.now())
    call.world.cardholders.add({"id": identifier, "account": call.account, "body": body})
    emit(call.world, call.account, "issuing_cardholder.created", body)
    return body


def retrieve(call: Call) -> View:
    """Return one cardholder."""
    return body_view(call.world, _found(call))


def update(call: Call) -> View:
    """Change what may change; `blocked` can only be set by Stripe."""
    record = _found(call)
    body, before = record["body"], frozen(record["body"])
    changed = frozen(body)
    _apply(changed, call.params)
    _check_age(changed, call.world.clock.now())
    if "status" in call.params:
        if body["status"] == "blocked":
            raise not_now("This cardholder is blocked: only Stripe can change its status.", "status")
        changed["status"] = call.params["status"]
    body.update(changed)
    call.world.cardholders.touch(record)
    if body != before:
        emit(call.world, call.account, "issuing_cardholder.updated", body, previous_attributes(before, body))
    return body_view(call.world, record)


def listing(call: Call) -> View:
    """Return cardholders, newest first."""
    filters = ("email", "phone_number", "status", "type")
    return page(
        call,
        call.world.cardholders,
        _URL,
        lambda record: body_view(call.world, record),
        matcher(call.params, *filters),
    )


def _found(call: Call) -> Record:
    return call.world.find(call.world.cardholders, call.account, call.path["cardholder"], "issuing cardholder")


def _apply(body: dict[str, Any], params: Any) -> None:
    """Put the shared parameters of create and update into the object."""
    if "email" in params:
        if not _EMAIL.fullmatch(params["email"]):
            raise invalid(f"Invalid email address: {params['email']}", "email", "email_invalid")
        body["email"] = params["email"]
    if "phone_number" in params:
        body["phone_number"] = _international(params["phone_number"])
    if "preferred_locales" in params:
        body["preferred_locales"] = params["preferred_locales"] or []
    if "billing" in params:
        body["billing"] = {"address": {**dict.fromkeys(_ADDRESS_PARTS), **params["billing"]["address"]}}
    if "company" in params:
        body["company"] = {"tax_id_provided": bool(params["company"].get("tax_id"))}
    if "individual" in params:
        body["individual"] = _individual(body["individual"], params["individual"])
    if "metadata" in params:
        body["metadata"] = metadata_updated(body["metadata"], params["metadata"])
    if "spending_controls" in params:
        body["spending_controls"] = merged_controls(body["spending_controls"], params["spending_controls"], None)
    body["requirements"] = _requirements(body)


def _requirements(body: dict[str, Any]) -> dict[str, Any]:
    """Return what Stripe waits for: a person needs both names before a card can be active (facts 1.1).

    What was required by the simulator's control stays required.
    """
    person = body["individual"] or {}
    named = {f"individual.{name}": bool(person.get(name)) for name in ("first_name", "last_name")}
    missing = [name for name, given in named.items() if not given and body["type"] == "individual"]
    others = [name for name in body["requirements"]["past_due"] if name not in named]
    due = [*missing, *others]
    return {"disabled_reason": disabled_reason(body["requirements"], due), "past_due": due}


def disabled_reason(before: dict[str, Any], due: list[str]) -> str | None:
    """Return why it is disabled once this is past due: another reason than that stays as it is."""
    reason: str | None = before["disabled_reason"]
    if due and reason is None:
        return _PAST_DUE
    if not due and before["past_due"] and reason == _PAST_DUE:
        return None
    return reason


def _international(number: str) -> str:
    """Return a phone number in E.164: a plus and up to 15 digits; without a plus it is read as American."""
    digits = re.sub(r"[\s().\-]", "", number)
    if _NATIONAL.fullmatch(digits):
        digits = f"+1{digits[-10:]}"
    if not _INTERNATIONAL.fullmatch(digits):
        raise invalid(f"The phone number '{number}' is not valid. Use the form +14155550100.", "phone_number")
    return digits


def _check_age(body: dict[str, Any], now: int) -> None:
    """Refuse a date of birth that is no date, and a person of 13 years or less (facts 1.1)."""
    born = (body["individual"] or {}).get("dob")
    if born is None:
        return
    today = datetime.fromtimestamp(now, UTC).date()
    try:
        birth = date(born["year"], born["month"], born["day"])
    except ValueError:
        raise invalid("The date of birth is not a date.", "individual[dob]") from None
    age = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
    if age <= _YOUNGEST:
        raise invalid(f"A cardholder must be over {_YOUNGEST} years old.", "individual[dob]")


def _individual(old: dict[str, Any] | None, given: dict[str, Any]) -> dict[str, Any]:
    for key in ("first_name", "last_name"):
        if key in given and not _PERSON.fullmatch(given[key]):
            raise invalid(f"The {key} can contain letters only.", f"individual[{key}]")
    new = old or {"card_issuing": None, "dob": None, "first_name": None, "last_name": None, "verification": None}
    new = {**new, **{key: given[key] for key in ("first_name", "last_name", "dob") if key in given}}
    terms = given.get("card_issuing", {}).get("user_terms_acceptance")
    if terms is not None:
        accepted = {"date": None, "ip": None, "user_agent": None, **terms}
        new["card_issuing"] = {"user_terms_acceptance": accepted}
    document = given.get("verification", {}).get("document")
    if document is not None:
        new["verification"] = {"document": {"back": None, "front": None, **document}}
    return new


def _check_name(name: str) -> None:
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise invalid(
            f"The cardholder's name must be at most {_LONGEST_NAME} characters long and cannot contain "
            "any numbers or special characters: it is printed on the card.",
            "name",
        )


_BILLING = Group(fields={"address": ADDRESS})
_CREATE: dict[str, Field] = {
    "billing": Group(required=True, fields={"address": ADDRESS}),
    "name": Text(required=True),
    "type": Text(choices=("company", "individual")),
    **_COMMON,
}
_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "email": Text(),
    "phone_number": Text(),
    "status": Text(choices=("active", "blocked", "inactive")),
    "type": Text(choices=("company", "individual")),
}

OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{cardholder}", retrieve),
    Operation("POST", _URL + "/{cardholder}", update, {**_COMMON, "billing": _BILLING}),
)
