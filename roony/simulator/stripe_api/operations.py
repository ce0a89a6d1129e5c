"""The two words every resource file uses: an operation, and a call of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from roony.simulator.card_network import CardNetwork
from roony.simulator.records import Record
from roony.simulator.stripe_api.parameters import Field, ListOf, Text
from roony.simulator.world import World

EXPAND: dict[str, Field] = {"expand": ListOf(item=Text())}


@dataclass(frozen=True)
class Call:
    """One authenticated request with its parameters read."""

    world: World
    network: CardNetwork
    account: str  # the account acted for
    key: Record
    path: Mapping[str, str]
    params: Mapping[str, Any]
    version: str | None = None  # the API version the call names itself

    @property
    def seen_from_platform(self) -> bool:
        """Whether the platform's key looks into a connected account."""
        return bool(self.key["account"] != self.account)


Handler = Callable[[Call], "dict[str, Any] | Awaitable[dict[str, Any]]"]


@dataclass(frozen=True)
class Operation:
    """A method and path, what it accepts, and what does it."""

    method: str
    path: str
    handle: Handler
    fields: Mapping[str, Field] = field(default_factory=dict)

    def accepted(self) -> dict[str, Field]:
        """All parameters, `expand` among them."""
        return {**self.fields, **EXPAND}
