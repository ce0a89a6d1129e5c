"""What the tools are called with. Shapes and amounts are checked here, everything else where the REST API checks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from roony.core import money

# Clients of MCP give a call up after 60 s; the answer must be there before.
MAX_WAIT_SECONDS = 45
MAX_LIMIT, DEFAULT_LIMIT = 100, 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_SENTENCES = {
    "missing": "It is required.",
    "extra_forbidden": "There is no argument of this name.",
    "int_type": "It must be a whole number.",
    "int_from_float": "It must be a whole number.",
    "string_type": "It must be a text.",
    "bool_type": "It must be true or false.",
    "dict_type": "It must be an object of texts.",
    "string_unicode": "It has characters that no text may have.",
}


class BadArgument(Exception):
    """An argument that is refused before anything is asked; `field` is None when it is all of them."""

    def __init__(self, field: str | None, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class Arguments(BaseModel):
    """The arguments of one tool: exactly these, with exactly these types."""

    model_config = ConfigDict(strict=True, extra="forbid")


class NoArguments(Arguments):
    """A tool that needs to be told nothing."""


_AMOUNT = (
    'How much, as a text in major units of the currency: "49.99" for USD, "5000" for JPY, "1.250" for KWD. No sign, no'
    " exponent, no separator, no words, never a JSON number."
)


class WishArguments(Arguments):
    """A purchase an agent wishes to make."""

    merchant: Annotated[
        str, Field(max_length=200, description='The name of the merchant as its shop or bill says it, such as "Figma".')
    ]
    # Checked in `minor_units`: a number here gets a sentence of its own.
    amount: Annotated[
        Any,
        Field(
            description=_AMOUNT,
            json_schema_extra={"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,3})?$", "examples": ["49.99"]},
        ),
    ]
    currency: Annotated[str, Field(max_length=3, description='ISO 4217 code of the amount, such as "usd" or "EUR".')]
    description: Annotated[
        str, Field(max_length=2_000, description="What is bought and why; a person may read it before deciding.")
    ]
    merchant_url: Annotated[
        str | None, Field(max_length=500, description="Web address of the shop. It is shown, never opened.")
    ] = None
    merchant_category: Annotated[
        str | None,
        Field(
            max_length=100,
            description="Trade of the merchant: a Stripe category name such as computer_software_stores, or a 4-digit"
            " code such as 5734. Needed where a rule allows only some categories.",
        ),
    ] = None
    merchant_country: Annotated[
        str | None,
        Field(max_length=2, description='Two-letter country of the merchant, such as "US". Needed as the category is.'),
    ] = None
    task_id: Annotated[
        str | None, Field(max_length=128, description="Your name for the task this is for, if the owner uses tasks.")
    ] = None
    project_id: Annotated[
        str | None, Field(max_length=64, description="One of your projects (prj_…); your own project if left out.")
    ] = None
    merchant_lock: Annotated[
        Literal["strict", "monitor"] | None,
        Field(description="strict: a charge by another merchant is declined. It can only be made stricter."),
    ] = None
    allow_duplicate: Annotated[
        bool, Field(description="True if this is meant to be bought again although the same was just bought.")
    ] = False
    repeat_every: Annotated[
        Literal["day", "week", "month", "year"] | None,
        Field(description="For a subscription: it is paid once in each of these, `payments` times in all."),
    ] = None
    payments: Annotated[int | None, Field(description="How many payments in all, with repeat_every.")] = None
    metadata: Annotated[
        dict[str, str] | None, Field(max_length=50, description="Notes of your own, kept with the purchase.")
    ] = None


class RequestArguments(WishArguments):
    """A purchase that is to be made."""

    request_id: Annotated[
        str | None,
        Field(
            max_length=255,
            description="A name you choose for this one purchase. Calling again with the same request_id and arguments"
            " never buys twice. Strongly advised.",
        ),
    ] = None
    wait_seconds: Annotated[
        int,
        Field(
            ge=0, le=MAX_WAIT_SECONDS,
            description="How long to wait for a person or for the card before answering. While a card is being made,"
            " the answer may take 10 seconds whatever is said here.",
        ),
    ] = MAX_WAIT_SECONDS  # fmt: skip


class PurchaseArguments(Arguments):
    """One purchase."""

    purchase_id: Annotated[str, Field(max_length=128, description="The id of the purchase, pur_…")]


class GetArguments(PurchaseArguments):
    """One purchase as it is, and its card if it is asked for."""

    wait_seconds: Annotated[
        int,
        Field(
            ge=0, le=MAX_WAIT_SECONDS,
            description="How long to wait while a person decides or the card is made; 0 answers at once.",
        ),
    ] = 0  # fmt: skip
    card_purpose: Annotated[
        str | None,
        Field(
            max_length=200,
            description="Say what you need the card's details for, to get them in `credentials` once the purchase is"
            " ready. Each time is recorded, and there are 5 times a purchase. Leave it out to look only.",
        ),
    ] = None


class PageArguments(Arguments):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most.")] = DEFAULT_LIMIT
    cursor: Annotated[
        str | None, Field(max_length=500, description="`next_cursor` of the page before; left out for the first.")
    ] = None


Given = TypeVar("Given", bound=Arguments)


def read(kind: type[Given], given: Mapping[str, Any]) -> Given:
    """The arguments of a call. Raises BadArgument for the first that is wrong."""
    try:
        return kind.model_validate(dict(given))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or None
        raise BadArgument(name, _SENTENCES.get(first["type"], f"{first['msg']}.")) from None


def minor_units(amount: Any, currency: str) -> tuple[int, str]:
    """The amount of a wish in minor units, and its currency in lower case. Raises BadArgument."""
    currency = currency.lower()
    if currency not in money.CURRENCIES:
        raise BadArgument("currency", 'It must be an ISO 4217 currency code, such as "usd".')
    if not isinstance(amount, str):
        example = money.decimal_text(4999, currency)
        raise BadArgument("amount", f'Send it as a text such as "{example}", not as a number or anything else.')
    try:
        units = money.minor_units(amount, currency)
    except ValueError as wrong:
        raise BadArgument("amount", str(wrong)) from None
    if not 0 < units <= money.MAX_AMOUNT:
        most = money.decimal_text(money.MAX_AMOUNT, currency)
        raise BadArgument("amount", f"It must be more than zero and at most {most}.")
    return units, currency


def recurring(repeat_every: str | None, payments: int | None) -> dict[str, Any] | None:
    """How a wish is repeated; None for one that is paid once. Raises BadArgument when only one of the two is given."""
    if (repeat_every is None) != (payments is None):
        missing = "payments" if payments is None else "repeat_every"
        raise BadArgument(missing, "repeat_every and payments go together.")
    return {"interval": repeat_every, "payments": payments} if repeat_every is not None else None


def purchase_id(given: str) -> str:
    """The id of a purchase. Raises BadArgument for what is none."""
    if not _ID.fullmatch(given):
        raise BadArgument("purchase_id", "It must be the id of a purchase, pur_…")
    return given
