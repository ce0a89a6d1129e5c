"""What callers may send about access keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from roony.core.address import parse_network
from roony.flows.access_key import KeyLimits
from roony.web.rate_limit import MOST_A_MINUTE
from roony.web.schemas import Body, ListQuery, named
from roony.web.shape import example

DAY_SECONDS = 86_400
LONGEST_LIFE = 10 * 365 * DAY_SECONDS
LONGEST_OVERLAP = 30 * DAY_SECONDS
MAX_ADDRESSES = 50


def _network(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError:
        raise PydanticCustomError(
            "network", "It must be an IPv4 or IPv6 address, or a network such as 203.0.113.0/24 with no bits behind it"
        ) from None


class KeyBody(Body):
    """A key that is to be made, and what it is limited to; left out, nothing limits it."""

    model_config = example(name="laptop", expires_in_seconds=7_776_000, requests_per_minute=120)

    name: Annotated[str, Field(max_length=100), AfterValidator(named)] | None = None
    expires_in_seconds: Annotated[int, Field(ge=60, le=LONGEST_LIFE)] | None = None
    allowed_addresses: Annotated[
        list[Annotated[str, Field(max_length=50), AfterValidator(_network)]],
        Field(max_length=MAX_ADDRESSES, description="Networks it may be used from; empty: from anywhere."),
    ] = []  # noqa: RUF012 - pydantic copies it
    requests_per_minute: Annotated[int, Field(ge=1, le=MOST_A_MINUTE)] | None = None

    @property
    def limits(self) -> KeyLimits:
        """As the flows want them."""
        return KeyLimits(
            (), tuple(dict.fromkeys(self.allowed_addresses)), self.requests_per_minute, self.expires_in_seconds
        )


class AgentKeyBody(KeyBody):
    """A key of an agent that is to be made."""

    model_config = example(name="laptop", scopes=["read", "purchase"], allowed_addresses=["203.0.113.0/24"])

    scopes: Annotated[
        list[Literal["read", "purchase", "card"]],
        Field(max_length=3, description="Look, ask and change purchases, see card details; empty: all of it."),
    ] = []  # noqa: RUF012 - pydantic copies it

    @property
    def limits(self) -> KeyLimits:
        """As the flows want them."""
        return super().limits._replace(scopes=tuple(sorted(set(self.scopes))))


class RotateBody(Body):
    """How long the old key stays good beside the new one."""

    model_config = example(overlap_seconds=86_400)

    overlap_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP)] = DAY_SECONDS


class KeyQuery(ListQuery):
    """Which keys."""

    kind: Literal["agent", "admin"] | None = None
