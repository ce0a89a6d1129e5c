"""A cardholder: in whose name cards are made, what Stripe's rules say about one, and what Stripe still wants of it.

Facts section 1.1. What an owner gives is kept in Stripe's own shape, whole.
"""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from roony.core.agent import Organization
from roony.core.duration import SECOND, local_time
from roony.core.errors import Refusal

# Letters that fit on a card.
LONGEST_NAME = 24
YOUNGEST = 13
# A cardholder is to be made, or Stripe refused it, or it will not be made under this attempt; else Stripe's own word.
WANTED, REFUSED, DROPPED = "wanted", "refused", "dropped"
UNMADE = (WANTED, REFUSED, DROPPED)
# What Stripe takes at the creation only.
FIXED = ("name", "type", "metadata")
FALLBACK_NAME = "Roony Cardholder"
# Test mode only: Stripe wants a billing address, and there nobody checks it. Stripe's own office.
TEST_ADDRESS = {
    "line1": "510 Townsend Street",
    "city": "San Francisco",
    "state": "CA",
    "postal_code": "94103",
    "country": "US",
}


class Cardholder(NamedTuple):
    """The cardholder of one scope on one connection: the organization's is the default, made when it is connected.

    `params` is JSON, as sent to Stripe, with `attempt` in the key of the call. `requirements` is JSON, `past_due` and
    `disabled_reason` as the statement of `stated_at` (seconds) told them. `status` is of `UNMADE` or Stripe's; `reason`
    why Stripe refused it.
    """

    organization_id: str
    connection_id: str
    scope_id: str
    scope: str
    params: str
    attempt: int
    stripe_cardholder_id: str | None
    status: str
    requirements: str
    stated_at: int
    created_at: int
    updated_at: int
    reason: str | None = None

    @property
    def key(self) -> str:
        """The idempotency key of its making; the attempt rises only after a definite refusal."""
        own = "" if self.scope == "organization" else f"{self.scope_id}:"
        return f"{self.connection_id}:{own}cardholder:{self.attempt}"

    @property
    def subject(self) -> str:
        """What a promise about it is about: its connection, and the scope where that is not the organization."""
        return self.connection_id if self.scope == "organization" else f"{self.connection_id}:{self.scope_id}"


class CardholderChoice(NamedTuple):
    """A project's or agent's own cardholder, as its owner wants it (JSON, Stripe's shape); None: taken back."""

    organization_id: str
    scope_id: str
    scope: str
    cardholder: str | None
    created_at: int
    updated_at: int


class Wrong(NamedTuple):
    """What Stripe would refuse about a cardholder: the field and a sentence."""

    field: str
    message: str


class Stated(NamedTuple):
    """What Stripe said of a cardholder at `at` (seconds): its status, what is past due, why it is disabled."""

    stripe_cardholder_id: str
    status: str
    past_due: tuple[str, ...]
    disabled_reason: str | None
    at: int

    def requirements(self) -> str:
        """As the row keeps them."""
        return json.dumps({"past_due": list(self.past_due), "disabled_reason": self.disabled_reason})


NOTHING_DUE = json.dumps({"past_due": [], "disabled_reason": None})


def cardholder_params(
    organization: Organization, connection_id: str, livemode: bool, given: Mapping[str, Any] | None, scope_id: str = ""
) -> dict[str, Any] | Refusal:
    """Stripe's parameters for a cardholder on a connection, or why they are not complete.

    `given` is what the owner set, in Stripe's shape. Without, it is a company with the organization's name; the billing
    address is made up in test mode only, because merchants check it. `scope_id` is a project's or agent's.
    """
    given = given or {}
    billing = given.get("billing") or (None if livemode else {"address": TEST_ADDRESS})
    if billing is None:
        return Refusal(
            "billing_address_missing",
            "Merchants check the billing address of cards: set it in the organization's settings first.",
            422,
            "cardholder",
        )
    return filled(
        organization,
        {**given, "billing": billing},
        {
            "roony_organization": organization.id,
            "roony_connection": connection_id,
            **({"roony_scope": scope_id} if scope_id not in ("", organization.id) else {}),
        },
    )


def filled(organization: Organization, given: Mapping[str, Any], metadata: Mapping[str, str]) -> dict[str, Any]:
    """What an owner gave, with what follows from it: a person or a company, and a name that can be printed."""
    return {
        "type": "individual" if "individual" in given else "company",
        **given,
        "name": card_name(given.get("name") or organization.name),
        "metadata": dict(metadata),
    }


def fields_of(given: Mapping[str, Any] | None) -> list[str] | None:
    """Which fields an owner gave of a cardholder, such as `individual.first_name`; None for nothing.

    What is in them no audit record says: it could never be taken back.
    """
    return None if given is None else sorted(_flat(given))


def changed_fields(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """Which fields are other ones now, or gone, or new."""
    old, new = _flat(before or {}), _flat(after or {})
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in given.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def card_name(name: str) -> str:
    """A name as Stripe prints it: at most 24 letters and spaces, no digits, no special characters (facts 1.1)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = "".join(letter if letter.isalpha() else " " for letter in plain).split()
    kept = ""
    for word in words:
        longer = f"{kept} {word}".strip()
        if len(longer) > LONGEST_NAME:
            break
        kept = longer
    return kept or (words[0][:LONGEST_NAME] if words else FALLBACK_NAME)


def fixed_by(sent: Mapping[str, Any], wanted: Mapping[str, Any], named: bool) -> Wrong | None:
    """What Stripe will not change of a cardholder that was made with `sent`. `named`: the owner said the name."""
    if named and wanted["name"] != sent["name"]:
        return Wrong("name", f"Stripe does not let the name of a cardholder change: it stays {sent['name']}.")
    if wanted["type"] != sent["type"]:
        return Wrong("individual", f"Stripe does not make another of a cardholder that is of the type {sent['type']}.")
    return None


def changes(sent: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What Stripe is to be told to have the cardholder as wanted. What is left out now stays there as it was."""
    return {name: value for name, value in wanted.items() if name not in FIXED and value != sent.get(name)}


_PERSON = re.compile(r"[^\W\d_]+(?:[ .'\-]+[^\W\d_]+)*\.?")


def wrong_with(given: Mapping[str, Any], currency: str, now: int) -> Wrong | None:
    """The first rule of Stripe's that a cardholder for cards of this currency breaks; `now` in microseconds UTC.

    What a text may look like by itself is checked at the door; here, what depends on another field or on the day.
    """
    name = given.get("name")
    if name is not None and (len(name) > LONGEST_NAME or re.fullmatch(r"[A-Za-z]+( [A-Za-z]+)*", name) is None):
        return Wrong("name", f"It is printed on cards: at most {LONGEST_NAME} letters A to Z and single spaces.")
    if currency == "eur" and not given.get("phone_number"):
        return Wrong(
            "phone_number", "Cards in EUR need the cardholder's phone number: its bank asks there (3-D Secure)."
        )
    individual = given.get("individual")
    return _wrong_person(individual, now) if individual is not None else None


def _wrong_person(individual: Mapping[str, Any], now: int) -> Wrong | None:
    for field in ("first_name", "last_name"):
        if not individual.get(field):
            return Wrong(f"individual.{field}", "No card of a person can be active before Stripe knows this name.")
        if _PERSON.fullmatch(individual[field]) is None:
            return Wrong(
                f"individual.{field}", "It must be letters, with spaces, dots, hyphens or apostrophes between."
            )
    born = individual.get("dob")
    if born is not None and (wrong := _wrong_birth(born, now)) is not None:
        return Wrong("individual.dob", wrong)
    terms = (individual.get("card_issuing") or {}).get("user_terms_acceptance")
    return _wrong_terms(terms, now) if terms is not None else None


def _wrong_birth(born: Mapping[str, int], now: int) -> str | None:
    today = local_time(now).date()
    try:
        birth = date(born["year"], born["month"], born["day"])
    except ValueError:
        return "It must be a date."
    age = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
    return None if age > YOUNGEST else f"A cardholder must be over {YOUNGEST} years old."


def _wrong_terms(terms: Mapping[str, Any], now: int) -> Wrong | None:
    where = "individual.card_issuing.user_terms_acceptance"
    if terms["date"] * SECOND > now:
        return Wrong(f"{where}.date", "The terms cannot have been accepted in the future.")
    try:
        ipaddress.ip_address(terms["ip"])
    except ValueError:
        return Wrong(f"{where}.ip", "It must be the IP address they were accepted from.")
    return None


def is_newer(said: Stated, row: Cardholder) -> bool:
    """True if Stripe said this after what is kept."""
    return said.at > row.stated_at


def is_tied(said: Stated, row: Cardholder) -> bool:
    """True if Stripe said something else in the same second: only Stripe can tell which of the two came last."""
    return said.at == row.stated_at and (said.status, said.requirements()) != (row.status, row.requirements)


def troubles(row: Cardholder) -> list[str]:
    """What keeps cards of this cardholder from paying, each in a sentence with what to do; none when all is well."""
    told = json.loads(row.requirements)
    found = [_NEXT.get(name.partition("[")[0]) or _sentence(name, row) for name in told["past_due"]]
    if told["disabled_reason"] is not None and not (told["disabled_reason"] == "requirements.past_due" and found):
        found.append(_DISABLED.get(told["disabled_reason"]) or f"Stripe has disabled it: {told['disabled_reason']}.")
    if row.status not in (*UNMADE, "active"):
        found.append(f"It is {row.status} at Stripe, which declines all its cards: look at it in the Stripe Dashboard.")
    return list(dict.fromkeys(found))


def _sentence(name: str, row: Cardholder) -> str:
    """For what an owner can give by Roony."""
    return f"Stripe wants {name}: give it with roony cardholder set {row.scope_id}."


_DOCUMENT = (
    "Stripe wants a document of the person (individual.verification.document): upload it in the Stripe Dashboard."
)
_NEXT = {
    "individual.verification.document": _DOCUMENT,
    "company.tax_id": "Stripe wants the company's tax id (company.tax_id): give it in the Stripe Dashboard.",
}
_DISABLED = {
    "listed": "Stripe found it on a sanctions list and declines its cards: ask Stripe's support, or use another.",
    "rejected.listed": "Stripe rejected it, since it is on a sanctions list: use another cardholder.",
    "requirements.past_due": "Stripe declines its cards until what is past due is given.",
    "under_review": "Stripe is looking at it and declines its cards meanwhile: nothing to do but wait.",
}
