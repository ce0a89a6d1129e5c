"""What the flows work with, handed to them by the wiring: the till, the gateway, the vault, a clock, ids and chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from roony.core.retention import Retention
from roony.gateway.client import StripeGateway
from roony.gateway.pool import GatewayPool
from roony.measures import Measures
from roony.outbound.guard import Guard
from roony.outbound.messenger import Messenger
from roony.outbound.post import Poster
from roony.outbound.traces import Traces
from roony.store.database import Database
from roony.store.till import Till
from roony.store.vault import Vault


def _no_jitter() -> float:
    return 1.0


def _to_the_internet() -> Poster:
    return Poster(Guard())


def _to_public_services() -> Messenger:
    return Messenger(Guard())


@dataclass(frozen=True, slots=True)
class FlowContext:
    """`clock` gives microseconds UTC, `new_id("pur")` a fresh id with that prefix; `public_url` ends without slash.

    `jitter` gives a number from 0 to 1 for each wait before another try; without one every wait is the whole wait.
    `poster` sends what goes to systems, `messenger` what goes to people; without them to the public internet only.
    `measures` is what this process counts of its work; `traces` takes its spans, where there is a collector.
    `retention` says how long payloads of events and contents of receipts are kept.
    """

    till: Till
    database: Database
    gateway: StripeGateway
    pool: GatewayPool
    vault: Vault
    clock: Callable[[], int]
    new_id: Callable[[str], str]
    public_url: Callable[[], str]
    jitter: Callable[[], float] = _no_jitter
    poster: Poster = field(default_factory=_to_the_internet)
    messenger: Messenger = field(default_factory=_to_public_services)
    measures: Measures = field(default_factory=Measures)
    traces: Traces | None = None
    retention: Retention = field(default_factory=Retention)
