"""The cardholder as an owner writes it, in Stripe's own shape (facts 1.1), and the organization's settings with it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from roony.core.money import MAX_AMOUNT
from roony.web.pattern_shapes import PatternsBody
from roony.web.requests import is_clean
from roony.web.schemas import Body, Country, Name, ScopeBody, one_line
from roony.web.shape import example

Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
Place = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(one_line)]


def _card_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]+( [A-Za-z]+)*", text):
        raise PydanticCustomError("card_name", "It must be letters A to Z with single spaces, as printed on a card")
    return text


def _phone(text: str) -> str:
    if not re.fullmatch(r"\+[1-9][0-9]{5,14}", text):
        raise PydanticCustomError("phone", "It must be a number like +420123456789, with its country code")
    return text


def _email(text: str) -> str:
    if not (text.isascii() and re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text) and is_clean(text)):
        raise PydanticCustomError("email", "It must be an e-mail address")
    return text


class AddressBody(Body):
    """The billing address of cards, which merchants check."""

    line1: Line
    line2: Line | None = None
    city: Place
    state: Place | None = None
    postal_code: Annotated[str, Field(min_length=1, max_length=20), AfterValidator(one_line)]
    country: Country


class BillingBody(Body):
    """Where cards are billed."""

    address: AddressBody


class BirthBody(Body):
    """A date of birth."""

    day: Annotated[int, Field(ge=1, le=31)]
    month: Annotated[int, Field(ge=1, le=12)]
    year: Annotated[int, Field(ge=1900, le=2100)]


class TermsBody(Body):
    """That the person accepted the card program's terms: when (seconds since 1970 UTC), and from which address."""

    date: Annotated[int, Field(ge=1_000_000_000, lt=2**40)]
    ip: Annotated[str, Field(max_length=45)]


class CardIssuingBody(Body):
    """What programs in the US need of a person."""

    user_terms_acceptance: TermsBody


class IndividualBody(Body):
    """The person behind a cardholder that is no company."""

    first_name: Place
    last_name: Place
    dob: BirthBody | None = None
    card_issuing: CardIssuingBody | None = None


class CardholderBody(Body):
    """In whose name cards are made. Without a name it is the organization's, as far as it can be printed on a card.

    It is a company, or the person described in `individual`. Cards in EUR need a phone number.
    """

    name: Annotated[str, Field(max_length=24), AfterValidator(_card_name)] | None = None
    phone_number: Annotated[str, Field(max_length=16), AfterValidator(_phone)] | None = None
    email: Annotated[str, Field(max_length=254), AfterValidator(_email)] | None = None
    billing: BillingBody
    individual: IndividualBody | None = None


class ChooseCardholderBody(ScopeBody):
    """Whose cards, and in whose name they are made."""

    model_config = example(
        scope="organization",
        cardholder={
            "name": "Jane Doe",
            "billing": {"address": {"line1": "1 Main St", "city": "Oakland", "postal_code": "94601", "country": "US"}},
        },
    )

    cardholder: CardholderBody


class OrganizationPatch(Body):
    """Settings to change; what is left out stays. Currency and time zone are fixed."""

    model_config = example(delivery="sealed", low_balance_amount=50_000)

    name: Name | None = None
    unknown_cards: Literal["decline", "approve", "approve_while_unfrozen"] | None = None
    delivery: Literal["sealed", "reveal", "raw"] | None = None
    unbudgeted: bool | None = None
    cardholder: CardholderBody | None = None
    low_balance_amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT)] | None = None
    patterns: PatternsBody | None = None
    two_people: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _fixed(cls, given: Any) -> Any:
        for name in ("currency", "time_zone"):
            if isinstance(given, dict) and name in given:
                raise PydanticCustomError("fixed", "The {name} of an organization cannot be changed", {"name": name})
        return given
