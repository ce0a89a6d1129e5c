"""A recorded purchase as a replay needs it: its decisions with their inputs, and what it held, spent and counted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from roony.core.agent import Chain
from roony.core.decision import Reason
from roony.core.inputs import Inputs, read_inputs
from roony.core.purchase import fingerprint


class PastHold(NamedTuple):
    """When a hold was placed, and in which budget periods, as (budget id, start); microseconds UTC."""

    placed_at: int
    periods: tuple[tuple[str, int], ...]


class PastEntry(NamedTuple):
    """One movement of a hold, in minor units."""

    at: int
    hold_id: str
    held: int
    spent: int


class PastDecision(NamedTuple):
    """One recorded decision. `step`: `ask`, `raise`, or `yes`, a person's yes that the rules of then refused.

    `inputs` is None where they were not kept whole; `versions` are those of the controls by scope id.
    """

    step: str
    verdict: str
    reasons: tuple[Reason, ...]
    inputs: Inputs | None
    versions: dict[str, int]


@dataclass(frozen=True)
class PastPurchase:
    """One recorded purchase; amounts in minor units of `currency`, times in microseconds UTC.

    `yes` is when a person approved it, and what amount; `card_made_at` when its card was promised, which is when its
    merchant became known; `unpaid_since` when it was over without a payment, and made it known no more. `kept` is its
    decision as it is stored.
    """

    chain: Chain
    id: str
    amount: int
    currency: str
    kind: str
    merchant_key: str
    merchant: str
    kept: dict[str, Any]
    created_at: int
    card_made_at: int | None
    yes: tuple[int, int] | None
    holds: dict[str, PastHold]
    entries: tuple[PastEntry, ...]
    unpaid_since: int | None = None

    @cached_property
    def asked(self) -> PastDecision | None:
        """The decision of the ask; None where a release that did not keep it replaced it."""
        kept = self.kept.get("asked", self.kept)
        at = kept.get("inputs", {}).get("at")
        return _decision("ask", kept) if at in (None, self.created_at) else None

    @cached_property
    def later(self) -> PastDecision | None:
        """The decision that took the place of that of the ask: of the last raise, or of a refused yes."""
        at = self.kept.get("inputs", {}).get("at")
        if at is None or ("asked" not in self.kept and at == self.created_at):
            return None
        return _decision("yes" if self.kept["verdict"] == "declined" else "raise", self.kept)

    @cached_property
    def prices(self) -> tuple[tuple[int, int], ...]:
        """From when on it had which amount: that of the ask, that of a person's yes, then each raised one."""
        first = self.asked.inputs.ask.amount if self.asked and self.asked.inputs else self.amount
        raised = [(at, amount) for at, amount in self.kept.get("raised", [])]
        return tuple(sorted([(self.created_at, first), *([self.yes] if self.yes else []), *raised]))

    def price_at(self, at: int) -> int:
        """What was asked for then."""
        return [amount for since, amount in self.prices if since <= at or since == self.created_at][-1]

    def print_of(self, amount: int) -> str:
        """What the same wish at this amount has in common with it."""
        return fingerprint(self.chain.task_id, self.merchant_key, amount, self.currency, self.kind)


def _decision(step: str, kept: dict[str, Any]) -> PastDecision:
    reasons = tuple(Reason(r["code"], r["message"], r.get("scope")) for r in kept["reasons"])
    inputs = kept.get("inputs", {})
    versions = inputs.get("control_versions", {})
    return PastDecision(step, kept["verdict"], reasons, read_inputs(inputs), versions)


def past_merchant(text: str) -> str:
    """The name in a purchase's `merchant` column."""
    return str(json.loads(text)["name"])
