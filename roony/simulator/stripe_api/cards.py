"""Cards: create, retrieve (with number and cvc if asked), update, list (facts 1.2, 1.3, 1.6)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from roony.simulator.accounts import default_currency
from roony.simulator.events import emit
from roony.simulator.identifiers import new_card_number, new_id, random_digits
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, missing, not_now
from roony.simulator.spending import HIDDEN_DAILY_LIMIT
from roony.simulator.stripe_api.controls import CONTROL_FIELDS, merged_controls, no_controls
from roony.simulator.stripe_api.expandable import CARD_SECRETS
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Group, Integer, Metadata, Text
from roony.simulator.stripe_api.personalization_designs import design_for_card
from roony.simulator.stripe_api.shipping import SHIPPING, check_change, shipping_view, stopped
from roony.simulator.views import View, card_view, frozen, previous_attributes
from roony.simulator.world import metadata_merged, metadata_updated

_URL = "/v1/issuing/cards"
_VALID_YEARS = 3
_REASONS = ("damaged", "expired", "lost", "stolen")


def create(call: Call) -> View:
    """Make a card: inactive unless told otherwise; a lifecycle can be set here only."""
    params, world = call.params, call.world
    if world.accounts[call.account]["body"]["capabilities"].get("card_issuing") != "active":
        raise not_now("This account is not set up to issue cards.")
    replaced = _replaced(call)
    holder = params.get("cardholder") or (replaced["cardholder"] if replaced else None)
    if holder is None:
        raise missing("cardholder")
    cardholder = world.find(world.cardholders, call.account, holder, "issuing cardholder", "cardholder")
    if replaced is not None and replaced["cardholder"] != holder:
        raise invalid("A replacement belongs to the cardholder of the card it replaces.", "cardholder")
    _check_currency(call)
    _check_type(params)
    _check_activation(params.get("status", "inactive"), cardholder)
    design = design_for_card(call, params.get("personalization_design")) if params["type"] == "physical" else None
    number = new_card_number()
    body = {**_body(call, cardholder, number, replaced), "personalization_design": design}
    record = {
        "id": body["id"],
        "account": call.account,
        "cardholder": cardholder["id"],
        "body": body,
        "pan": number,
        "cvc": random_digits(3),
        "payments": 0,
        # Limits carry over along the chain of replacements (facts 1.4).
        "spending_scope": replaced["spending_scope"] if replaced else body["id"],
    }
    world.cards.add(record)
    if replaced is not None:
        replaced["body"]["replaced_by"] = body["id"]
        world.cards.touch(replaced)
    emit(world, call.account, "issuing_card.created", card_view(world, record))
    return card_view(world, record)


def _replaced(call: Call) -> Record | None:
    """Return the card to be replaced; one that was replaced before may be replaced again, the latest one counts."""
    identifier, reason = call.params.get("replacement_for"), call.params.get("replacement_reason")
    if identifier is None:
        if reason is not None:
            raise missing("replacement_for")
        return None
    if reason is None:
        raise missing("replacement_reason")
    return call.world.find(call.world.cards, call.account, identifier, "issuing card", "replacement_for")


def _check_currency(call: Call) -> None:
    """Refuse another currency than that of the account's country (facts 1.2)."""
    issued = default_currency(call.world.accounts[call.account]["body"]["country"])
    if call.params["currency"].lower() != issued:
        raise invalid(f"Invalid currency: this account can issue cards in {issued} only.", "currency")


def _check_type(params: Any) -> None:
    """Refuse what a card of this type cannot have: only virtual ones end by count, only physical ones are printed."""
    if params["type"] == "physical":
        if "lifecycle_controls" in params:
            raise invalid("Lifecycle controls are for virtual cards only.", "lifecycle_controls")
        if "shipping" not in params:
            raise missing("shipping")
        return
    for name in ("personalization_design", "shipping"):
        if name in params:
            raise invalid(f"Only physical cards can have {name}.", name)


def _body(call: Call, cardholder: Record, number: str, replaced: Record | None) -> dict[str, Any]:
    params, now = call.params, call.world.clock.now()
    month, year = _expiry(params, now)
    currency = params["currency"].lower()
    wallet = {"eligible": False, "ineligible_reason": "missing_cardholder_contact"}
    if cardholder["body"]["email"] and cardholder["body"]["phone_number"]:
        wallet = {"eligible": True, "ineligible_reason": None}
    return {
        "id": new_id("ic"),
        "object": "issuing.card",
        "brand": "Visa",
        "cancellation_reason": None,
        "created": now,
        "currency": currency,
        "exp_month": month,
        "exp_year": year,
        "financial_account": params.get("financial_account"),
        "last4": number[-4:],
        "latest_fraud_warning": None,
        "lifecycle_controls": params.get("lifecycle_controls"),
        "livemode": False,
        "metadata": metadata_merged({}, params.get("metadata")),
        "personalization_design": None,
        "replaced_by": None,
        "replacement_for": replaced["id"] if replaced else None,
        "replacement_reason": params.get("replacement_reason"),
        "second_line": params.get("second_line"),
        "shipping": shipping_view(params["shipping"], now) if params["type"] == "physical" else None,
        "spending_controls": _first_controls(params.get("spending_controls"), currency),
        "status": params.get("status", "inactive"),
        "type": params["type"],
        "wallets": {"apple_pay": wallet, "google_pay": dict(wallet), "primary_account_identifier": None},
    }


def _first_controls(given: dict[str, Any] | None, currency: str) -> dict[str, Any]:
    """Without limits of its own a card gets 500.00 a day, and says so when read back (facts 1.4)."""
    controls = merged_controls(no_controls(currency), given, currency)
    if not controls["spending_limits"]:
        controls["spending_limits"] = [{"amount": HIDDEN_DAILY_LIMIT, "categories": [], "interval": "daily"}]
    return controls


def _expiry(params: Any, now: int) -> tuple[int, int]:
    today = datetime.fromtimestamp(now, UTC)
    # Any month is as good as another: taken from the digits of chance, so that no test leans on one.
    month = params.get("exp_month") or int(random_digits(6)) % 12 + 1
    year = params.get("exp_year") or today.year + _VALID_YEARS
    if (year, month) < (today.year, today.month):
        raise invalid("The card's expiry lies in the past.", "exp_year")
    return month, year


def retrieve(call: Call) -> View:
    """Return one card; `expand[]=number` and `expand[]=cvc` work here and nowhere else."""
    record = _found(call)
    secrets = {"number": record["pan"], "cvc": record["cvc"]}
    asked = {name: secrets[name] for name in CARD_SECRETS if name in (call.params.get("expand") or ())}
    return {**card_view(call.world, record), **asked}


def update(call: Call) -> View:
    """Change status, controls, metadata, or how a physical card is printed and sent; canceled is for ever."""
    params, world = call.params, call.world
    record = _found(call)
    body, before = record["body"], frozen(card_view(world, record))
    changed = frozen(body)
    _change_status(changed, params, world.cardholders[record["cardholder"]])
    if "spending_controls" in params:
        changed["spending_controls"] = merged_controls(
            body["spending_controls"], params["spending_controls"], body["currency"]
        )
    if "metadata" in params:
        changed["metadata"] = metadata_updated(body["metadata"], params["metadata"])
    if "financial_account" in params:
        changed["financial_account"] = params["financial_account"]
    if "personalization_design" in params:
        if body["type"] != "physical":
            raise invalid("Only physical cards can have personalization_design.", "personalization_design")
        changed["personalization_design"] = design_for_card(call, params["personalization_design"])
    if "shipping" in params:
        check_change(body)
        changed["shipping"] = shipping_view(params["shipping"], world.clock.now())
    if changed["status"] == "canceled":
        changed["shipping"] = stopped(changed["shipping"])
    body.update(changed)
    world.cards.touch(record)
    after = card_view(world, record)
    if after != before:
        emit(world, call.account, "issuing_card.updated", after, previous_attributes(before, after))
    return after


def _change_status(changed: dict[str, Any], params: Any, cardholder: Record) -> None:
    status, reason = params.get("status"), params.get("cancellation_reason")
    if changed["status"] == "canceled" and (status or reason):
        raise not_now("This card is canceled: its status can no longer be changed.", "status")
    if reason is not None and status != "canceled":
        raise invalid("A cancellation_reason needs status=canceled.", "cancellation_reason")
    if status is not None:
        if status != changed["status"]:
            _check_activation(status, cardholder)
        changed["status"] = status
        changed["cancellation_reason"] = reason


def _check_activation(status: str, cardholder: Record) -> None:
    """Refuse an active card while Stripe waits for something about its cardholder (facts 1.1, 1.3)."""
    due = cardholder["body"]["requirements"]["past_due"]
    if status == "active" and due:
        raise not_now(f"The cardholder still has requirements past due: {', '.join(due)}.", "status")


def listing(call: Call) -> View:
    """Return cards, newest first; never with number or cvc."""
    holder = call.params.get("cardholder")
    filters = ("exp_month", "exp_year", "last4", "personalization_design", "status", "type")
    return page(
        call,
        call.world.cards,
        _URL,
        lambda record: card_view(call.world, record),
        matcher(call.params, *filters),
        ("cardholder", holder) if holder else None,
    )


def _found(call: Call) -> Record:
    return call.world.find(call.world.cards, call.account, call.path["card"], "issuing card")


_CONTROLS = Group(fields=CONTROL_FIELDS)
_PIN = Group(fields={"encrypted_number": Text()})
_CREATE: dict[str, Field] = {
    "cardholder": Text(),
    "currency": Text(required=True, longest=3),
    "exp_month": Integer(least=1, most=12),
    "exp_year": Integer(least=2000, most=2100),
    "financial_account": Text(),
    "lifecycle_controls": Group(
        fields={
            "cancel_after": Group(required=True, fields={"payment_count": Integer(required=True, least=1)}),
        }
    ),
    "metadata": Metadata(),
    "personalization_design": Text(),
    "pin": _PIN,
    "replacement_for": Text(),
    "replacement_reason": Text(choices=_REASONS),
    "second_line": Text(longest=24, clearable=True),
    "shipping": SHIPPING,
    "spending_controls": _CONTROLS,
    "status": Text(choices=("active", "inactive")),
    "type": Text(required=True, choices=("physical", "virtual")),
}
_UPDATE: dict[str, Field] = {
    "cancellation_reason": Text(choices=("lost", "stolen")),
    "financial_account": Text(),
    "metadata": Metadata(),
    "personalization_design": Text(),
    "pin": _PIN,
    "shipping": SHIPPING,
    "spending_controls": _CONTROLS,
    "status": Text(choices=("active", "canceled", "inactive")),
}
_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "cardholder": Text(),
    "exp_month": Integer(),
    "exp_year": Integer(),
    "last4": Text(),
    "personalization_design": Text(),
    "status": Text(choices=("active", "canceled", "inactive")),
    "type": Text(choices=("physical", "virtual")),
}

OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{card}", retrieve),
    Operation("POST", _URL + "/{card}", update, _UPDATE),
)
