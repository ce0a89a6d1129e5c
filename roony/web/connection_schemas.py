"""What callers may send about connected Stripe accounts and what is kept of them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from roony.web.schemas import Body
from roony.web.shape import example


class ConfirmBody(Body):
    """What the owner has seen in the account's Issuing settings; at least one of them."""

    model_config = example(realtime_url=True, timeout_declines=True, other_cards="decline")

    realtime_url: bool | None = None
    timeout_declines: bool | None = None
    other_cards: Literal["decline", "approve", "approve_while_unfrozen"] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing", "Name what is confirmed: realtime_url, timeout_declines, other_cards")
        return self


class RotationBody(Body):
    """Where the call before ended; nothing is required."""

    cursor: Annotated[str | None, Field(max_length=500, description="`next_cursor` of the call before")] = None


class WebhooksBody(Body):
    """How the account's webhook endpoint is to be set up."""

    model_config = example(roll=False)

    roll: bool = False


class ConnectionBody(Body):
    """An account that is to be connected."""

    model_config = example(kind="connect")

    kind: Literal["connect", "stripe_app", "direct"]
