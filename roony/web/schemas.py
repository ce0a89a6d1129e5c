"""What callers may send, field by field: strict types, no unknown fields, short and clean texts."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from roony.core.card_data import named_without_secrets, without_card_numbers, without_secrets
from roony.core.categories import COUNTRIES
from roony.core.mandate import MAX_PAYMENTS, MIN_PAYMENTS, MOST_PAYMENTS
from roony.core.merchant import category_code
from roony.core.money import CURRENCIES, MAX_AMOUNT
from roony.core.settlement import DISCREPANCY_KINDS
from roony.store.queries.paging import DEFAULT_LIMIT, MAX_LIMIT
from roony.web.query import Query
from roony.web.requests import is_clean
from roony.web.shape import example
from roony.web.shapes import LimitedScope
from roony.web.spending_report import read_day

MAX_METADATA = 50


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "It must not be blank")
    return text


def one_line(text: str) -> str:
    """A text without line breaks or control characters, and not blank."""
    if not is_clean(text):
        raise PydanticCustomError("unclean", "It has characters that a text may not have")
    return _not_blank(text)


def named(text: str) -> str:
    """A name as it is kept: one line, with stars for a card number, as an event's merchant has them."""
    return without_card_numbers(one_line(text))


def said(text: str) -> str:
    """One line for others to read, as it is kept: without card data and keys."""
    return without_secrets(one_line(text))


def _lines(text: str) -> str:
    if not is_clean(text, line_breaks=True):
        raise PydanticCustomError("unclean", "It has characters that a text may not have")
    return without_secrets(text)


def _clean_values(value: Any) -> Any:
    """Controls are checked name by name where they are parsed; here that texts are one line, and names as kept."""
    if isinstance(value, str):
        if not is_clean(value):
            raise PydanticCustomError("unclean", "It has characters that a text may not have")
        return without_card_numbers(value)
    if isinstance(value, dict):
        return {name: _clean_values(part) for name, part in value.items()}
    return [_clean_values(part) for part in value] if isinstance(value, list) else value


def _currency(text: str) -> str:
    if text not in CURRENCIES:
        raise PydanticCustomError("currency", "It must be a lower-case ISO 4217 currency code")
    return text


def _day(text: str) -> str:
    if read_day(text) is None:
        raise PydanticCustomError("day", "It must be a day such as 2026-11-28")
    return text


def _country(text: str) -> str:
    if text.upper() not in COUNTRIES:
        raise PydanticCustomError("country", "It must be a two-letter country code (ISO 3166-1)")
    return text.upper()


def _category(text: str) -> str:
    if category_code(text) is None:
        raise PydanticCustomError("category", "It must be a Stripe category name or a 4-digit code")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"(https?://)?[\w.-]+\.[\w-]+(:[0-9]+)?([/?#]\S*)?", text):
        raise PydanticCustomError("url", "It must be the address of a web page")
    return text


def _discrepancy_kind(text: str) -> str:
    if text not in DISCREPANCY_KINDS:
        raise PydanticCustomError(
            "discrepancy_kind", "It must be one of {kinds}", {"kinds": ", ".join(DISCREPANCY_KINDS)}
        )
    return text


def _id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,64}", text):
        raise PydanticCustomError("id", "It must be an id")
    return text


def _limited_scope_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,64}(:.{1,128})?", text):
        raise PydanticCustomError("id", "It must be an id, or AGENT_ID:TASK_ID")
    return one_line(text)


Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT, description="Minor units, as in 12999 for 129.99")]
LimitAmount = Annotated[int, Field(ge=0, le=MAX_AMOUNT, description="Minor units; null = tracked, not limited")]
Day = Annotated[str, AfterValidator(_day)]
Currency = Annotated[str, Field(min_length=3, max_length=3), AfterValidator(_currency)]
Country = Annotated[str, Field(min_length=2, max_length=2), AfterValidator(_country)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(named)]
ShortText = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(one_line)]
LongText = Annotated[str, Field(max_length=2_000), AfterValidator(_lines)]
Id = Annotated[str, AfterValidator(_id)]
DiscrepancyKind = Annotated[str, AfterValidator(_discrepancy_kind)]
LimitedScopeId = Annotated[str, Field(max_length=200), AfterValidator(_limited_scope_id)]
Controls = Annotated[dict[str, Any], AfterValidator(_clean_values)]
Scope = Literal["organization", "project", "agent"]
Period = Literal["day", "week", "month", "lifetime"]


class Body(BaseModel):
    """A request body: exactly these fields, with exactly these types."""

    model_config = ConfigDict(strict=True, extra="forbid")


class ListQuery(Query):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=500, description="`next_cursor` of the page before")] = None


# Agents


class MerchantBody(Body):
    """Who is to be paid."""

    name: Name
    url: (
        Annotated[
            str,
            Field(max_length=500),
            AfterValidator(one_line),
            AfterValidator(_url),
            AfterValidator(without_card_numbers),
        ]
        | None
    ) = None
    category: Annotated[str, Field(max_length=100), AfterValidator(_category)] | None = None
    country: Country | None = None
    network_id: Annotated[str, Field(max_length=64), AfterValidator(one_line)] | None = None


class RecurringBody(Body):
    """A purchase that is paid again: once in every interval, `payments` times in all."""

    interval: Literal["day", "week", "month", "year"]
    payments: Annotated[int, Field(ge=MIN_PAYMENTS, le=MAX_PAYMENTS)]

    @field_validator("payments")
    @classmethod
    def _within_a_card(cls, payments: int, info: ValidationInfo) -> int:
        interval = info.data.get("interval")
        most = MOST_PAYMENTS.get(interval or "", MAX_PAYMENTS)
        if payments > most:
            raise PydanticCustomError(
                "too_many_payments",
                "It can be at most {most} for each {interval}: a card lives about three years",
                {"most": most, "interval": interval},
            )
        return payments


class AskBody(Body):
    """A wish to buy. Everything here can only make the owner's rules stricter."""

    model_config = example(
        amount=12_999, currency="usd", description="Figma, one seat for a month",
        merchant={"name": "Figma", "country": "US"}, metadata={"order": "1187"},
    )  # fmt: skip

    amount: Amount
    currency: Currency
    description: Annotated[LongText, Field(min_length=1)]
    merchant: MerchantBody
    project_id: Id | None = None
    task_id: ShortText | None = None
    merchant_lock: Literal["strict", "monitor"] | None = None
    allow_duplicate: bool = False
    recurring: RecurringBody | None = None
    metadata: Annotated[
        dict[Annotated[ShortText, Field(max_length=40)], Annotated[LongText, Field(max_length=500)]],
        Field(max_length=MAX_METADATA),
        AfterValidator(named_without_secrets),
    ] = {}


class RaiseBody(Body):
    """The higher price found at checkout, in the purchase's currency."""

    model_config = example(amount=13_499)

    amount: Amount


class CardBody(Body):
    """How the card's details are to be handed out, and what for."""

    model_config = example(delivery="sealed", purpose="checkout")

    delivery: Annotated[
        Literal["sealed", "reveal", "raw"] | None, Field(description="as strict as what is allowed, or stricter")
    ] = None
    purpose: Annotated[str, Field(max_length=200), AfterValidator(said)] | None = None


class WaitQuery(Query):
    """How long to wait for a decision or a card, in seconds."""

    wait: Annotated[float, Field(ge=0, le=55, allow_inf_nan=False)] = 0


class TaskQuery(Query):
    """For which task."""

    task_id: ShortText | None = None


# Owners


class LimitBody(Body):
    """A limit over one period."""

    period: Period
    limit: LimitAmount | None
    currency: Currency


class ProjectBody(Body):
    """A project that is to be made."""

    model_config = example(
        name="Research", budgets=[{"period": "month", "limit": 500_000, "currency": "usd"}],
        controls={"purchase_limit": 20_000},
    )  # fmt: skip

    name: Name
    budgets: Annotated[list[LimitBody], Field(max_length=100)] = []
    controls: Controls = {}


class AgentBody(ProjectBody):
    """An agent that is to be made. Without `project_id` it goes to the organization's first project."""

    model_config = example(
        name="Buyer", description="Buys what the research team asks for",
        budgets=[{"period": "month", "limit": 100_000, "currency": "usd"}], controls={"approval_threshold": 10_000},
    )  # fmt: skip

    project_id: Id | None = None
    project_ids: Annotated[list[Id], Field(max_length=100, description="More projects it may name in an ask")] = []
    description: LongText = ""


class PublicKeyBody(Body):
    """A public JSON Web Key (RFC 7517), as `roony agent-key new` prints it. Only what makes the key is kept."""

    # What else a key has is told apart where it is read: the member of a private key wants words of its own.
    model_config = ConfigDict(
        strict=True,
        extra="allow",
        json_schema_extra={
            "examples": [{"kty": "OKP", "crv": "X25519", "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}]
        },
    )

    kty: Annotated[str, Field(max_length=20, description='"EC" or "OKP"')]
    crv: Annotated[str | None, Field(max_length=20, description='"P-256" or "X25519"')] = None
    x: Annotated[str | None, Field(max_length=64, description="base64url")] = None
    y: Annotated[str | None, Field(max_length=64, description="base64url; EC only")] = None
    use: Annotated[str | None, Field(max_length=20, description='"enc"')] = None
    alg: Annotated[str | None, Field(max_length=40, description='"ECDH-ES+A256KW"')] = None


class ScopeBody(Body):
    """One scope; `scope_id` may be left out for the organization."""

    model_config = example(scope="organization")

    scope: Scope
    scope_id: Id | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.scope_id is None and self.scope != "organization":
            raise PydanticCustomError("scope_id", "Say which {scope} with scope_id", {"scope": self.scope})
        return self


class LimitedScopeBody(ScopeBody):
    """What can have budgets and controls; a task is named AGENT_ID:TASK_ID, every task of an agent AGENT_ID:*."""

    scope: LimitedScope  # type: ignore[assignment]
    scope_id: LimitedScopeId | None = None


class BudgetBody(LimitedScopeBody):
    """A limit to set, or to lift with `limit` null. Without a currency it is the organization's."""

    model_config = example(scope="organization", period="month", limit=500_000, currency="usd")

    period: Period
    limit: LimitAmount | None
    currency: Currency | None = None


class ControlsBody(LimitedScopeBody):
    """All controls of a scope; what is left out is no longer set."""

    model_config = example(scope="organization", controls={"purchase_limit": 20_000, "allowed_countries": ["US"]})

    controls: Controls
    expected_version: Annotated[
        int | None, Field(ge=0, le=MAX_AMOUNT, description="409 if the scope's controls are at another; 0: none yet")
    ] = None


class ApproveBody(Body):
    """A yes; `amount` approves another one than was asked for."""

    model_config = example(note="Fine, but only this once", amount=12_999)

    note: LongText = ""
    amount: Amount | None = None


class DenyBody(Body):
    """A no."""

    model_config = example(note="We have a team licence already")

    note: LongText = ""


class ResolveBody(Body):
    """How a discrepancy ended, in a sentence. What else is to be done about it depends on its kind."""

    model_config = example(note="The shop charged for shipping as well, which is fine")

    note: Annotated[LongText, Field(min_length=1), AfterValidator(_not_blank)]
    learn_alias: Annotated[bool, Field(description="merchant_mismatch: the name is one of the approved merchant")] = (
        False
    )
    purchase_id: Annotated[Id | None, Field(description="unmatched_refund: what the money was paid for")] = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.learn_alias and self.purchase_id is not None:
            raise PydanticCustomError("two_things", "A refund teaches no name: send learn_alias or purchase_id")
        return self


class ReplayBody(Body):
    """Which events are handled again; `cursor` is where the call before ended."""

    model_config = example(status="dead")

    status: Literal["failed", "dead"] = "dead"
    cursor: Annotated[str | None, Field(max_length=500, description="`next_cursor` of the call before")] = None
