"""Faults on demand: refuse, fail before or after the effect, drop the connection, or be slow (facts 7.2, 7.3)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from roony.simulator.refusals import Refusal, invalid

KINDS = ("rate_limit", "lock_timeout", "conflict", "error_before", "error_after", "drop_after", "slow")
_REASONS = ("global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific")
_LONGEST_SECONDS = 120


@dataclass
class Fault:
    """One rule: which operation fails, in what way, how often."""

    endpoint: str
    kind: str
    count: int | None
    probability: float
    seconds: float
    reason: str
    random: random.Random

    def meets(self, method: str, path: str) -> bool:
        """Whether a request is one of this rule's and its luck has run out."""
        wanted_method, _, wanted_path = self.endpoint.rpartition(" ")
        if wanted_method and wanted_method.strip().upper() != method:
            return False
        if not _path_matches(wanted_path, path):
            return False
        return self.count != 0 and self.random.random() < self.probability

    def refuse(self) -> None:
        """Raise the refusal of a fault that comes before any effect."""
        if self.kind == "rate_limit":
            header = {"Stripe-Rate-Limited-Reason": self.reason}
            raise Refusal(429, "Too many requests (simulated fault).", code="rate_limit", headers=header)
        if self.kind == "lock_timeout":
            raise Refusal(429, "This object cannot be accessed right now (simulated fault).", code="lock_timeout")
        if self.kind == "conflict":
            raise Refusal(409, "Another request is working on this object (simulated fault).", code="conflict")
        if self.kind == "error_before":
            raise failure()


def failure() -> Refusal:
    """Return the 500 that says nothing; the idempotency layer keeps it (facts 7.1)."""
    return Refusal(500, "An unknown error occurred (simulated fault).", kind="api_error", stored=True)


def _path_matches(wanted: str, path: str) -> bool:
    """Compare a template (`/v1/issuing/cards/{card}`) or, with a star at its end, a prefix."""
    if wanted.endswith("*"):
        return path.startswith(wanted[:-1])
    left, right = wanted.strip("/").split("/"), path.strip("/").split("/")
    return len(left) == len(right) and all(
        one == other or (one.startswith("{") and one.endswith("}")) for one, other in zip(left, right, strict=True)
    )


class Faults:
    """The rules in force; the first that meets a request is used up by one."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def set(self, rules: Any) -> list[dict[str, Any]]:
        """Replace all rules by what a test sent; refuse what makes no sense."""
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise invalid("Send a JSON list of faults.")
        self.rules = [_read(rule) for rule in rules]
        return self.shown()

    def shown(self) -> list[dict[str, Any]]:
        """Return the rules with what is left of their counts."""
        fields = ("endpoint", "kind", "count", "probability", "seconds", "reason")
        return [{field: getattr(rule, field) for field in fields} for rule in self.rules]

    def pick(self, method: str, path: str) -> Fault | None:
        """Return the fault this request meets, if any, and count it."""
        for rule in self.rules:
            if rule.meets(method, path):
                if rule.count is not None:
                    rule.count -= 1
                return rule
        return None


def _read(rule: dict[str, Any]) -> Fault:
    unknown = set(rule) - {"endpoint", "kind", "count", "probability", "seed", "seconds", "reason"}
    if unknown:
        raise invalid(f"Unknown field of a fault: {min(unknown)}")
    kind, endpoint = rule.get("kind"), rule.get("endpoint")
    if kind not in KINDS:
        raise invalid(f"Invalid kind: must be one of {', '.join(KINDS)}", "kind")
    if not isinstance(endpoint, str) or "/" not in endpoint:
        raise invalid("`endpoint` is a method and a path template, or a prefix with a star.", "endpoint")
    count, probability, seconds = rule.get("count"), rule.get("probability", 1), rule.get("seconds", 0)
    if count is not None and (not isinstance(count, int) or count < 0):
        raise invalid("`count` is a whole number of times, or absent for always.", "count")
    if not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise invalid("`probability` lies between 0 and 1.", "probability")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST_SECONDS:
        raise invalid(f"`seconds` lies between 0 and {_LONGEST_SECONDS}.", "seconds")
    reason = rule.get("reason", _REASONS[0])
    if reason not in _REASONS:
        raise invalid(f"Invalid reason: must be one of {', '.join(_REASONS)}", "reason")
    chance = random.Random(str(rule.get("seed", 0)))
    return Fault(endpoint, kind, count, probability, seconds, reason, chance)
