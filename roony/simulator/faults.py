"""Faults on demand: refuse, fail before or after the effect, drop the connection, or be slow (facts 7.2, 7.3)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from roony.simulator.refusals import Refusal, invalid, locked, unauthorized

_FIRST = ("rate_limit", "lock_timeout", "conflict", "error_before", "drop_before", "unauthorized", "forbidden")
KINDS = (*_FIRST, "error_kept", "error_after", "drop_after", "slow")
_REASONS = ("global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific")
_LONGEST_SECONDS = 120
_MOST_RULES = 100
_SIMULATED = "(This is a fault that was asked of the simulator.)"


@dataclass
class Fault:
    """One rule: which operation fails, in what way, how often.

    `should_retry` becomes the header `Stripe-Should-Retry`, which overrules what a client makes of the status.
    """

    endpoint: str
    kind: str
    count: int | None
    probability: float
    seconds: float
    reason: str
    should_retry: bool | None
    random: random.Random

    def meets(self, method: str, path: str) -> bool:
        """Whether a request is one of this rule's and its luck has run out."""
        wanted_method, _, wanted_path = self.endpoint.rpartition(" ")
        if wanted_method and wanted_method.strip().upper() != method:
            return False
        if not _path_matches(wanted_path, path):
            return False
        return self.count != 0 and self.random.random() < self.probability

    @property
    def comes_first(self) -> bool:
        """Whether it comes before the key is looked at, and before any effect."""
        return self.kind in _FIRST

    @property
    def comes_instead(self) -> bool:
        """Whether it takes the place of the effect, under the key: that key brings back nothing else (facts 7.1)."""
        return self.kind == "error_kept"

    @property
    def drops(self) -> bool:
        """Whether the connection is cut instead of an answer."""
        return self.kind in ("drop_before", "drop_after")

    def refusal(self) -> Refusal:
        """Return the answer of this fault; a 500 is kept by the idempotency layer if it gets there (facts 7.1)."""
        headers = {} if self.should_retry is None else {"Stripe-Should-Retry": str(self.should_retry).lower()}
        if self.kind == "rate_limit":
            headers["Stripe-Rate-Limited-Reason"] = self.reason
            return Refusal(429, f"Request rate limit exceeded. {_SIMULATED}", code="rate_limit", headers=headers)
        if self.kind == "lock_timeout":
            refusal = locked("object")
            refusal.headers |= headers
            return refusal
        if self.kind == "conflict":
            message = "Another request is working on this object."
            return Refusal(409, f"{message} {_SIMULATED}", code="conflict", headers=headers)
        if self.kind == "unauthorized":
            return unauthorized(f"Invalid API Key provided. {_SIMULATED}")
        if self.kind == "forbidden":
            return Refusal(403, f"The provided key does not have the required permissions. {_SIMULATED}")
        message = "An unknown error occurred."
        return Refusal(500, f"{message} {_SIMULATED}", kind="api_error", headers=headers, stored=True)


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
        if len(rules) > _MOST_RULES:
            raise invalid(f"There can be at most {_MOST_RULES} faults at once.")
        self.rules = [_read(rule) for rule in rules]
        return self.shown()

    def shown(self) -> list[dict[str, Any]]:
        """Return the rules with what is left of their counts."""
        fields = ("endpoint", "kind", "count", "probability", "seconds", "reason", "should_retry")
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
    unknown = set(rule) - {"endpoint", "kind", "count", "probability", "seed", "seconds", "reason", "should_retry"}
    if unknown:
        raise invalid(f"Unknown field of a fault: {min(unknown)}")
    kind, endpoint = rule.get("kind"), rule.get("endpoint")
    if kind not in KINDS:
        raise invalid(f"Invalid kind: must be one of {', '.join(KINDS)}", "kind")
    if not isinstance(endpoint, str) or "/" not in endpoint:
        raise invalid("`endpoint` is a method and a path template, or a prefix with a star.", "endpoint")
    count, probability, seconds = rule.get("count"), rule.get("probability", 1), rule.get("seconds", 0)
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
        raise invalid("`count` is a whole number of times, or absent for always.", "count")
    if not isinstance(probability, int | float) or isinstance(probability, bool) or not 0 <= probability <= 1:
        raise invalid("`probability` lies between 0 and 1.", "probability")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= _LONGEST_SECONDS:
        raise invalid(f"`seconds` lies between 0 and {_LONGEST_SECONDS}.", "seconds")
    reason = rule.get("reason", _REASONS[0])
    if reason not in _REASONS:
        raise invalid(f"Invalid reason: must be one of {', '.join(_REASONS)}", "reason")
    should_retry = rule.get("should_retry")
    if should_retry is not None and not isinstance(should_retry, bool):
        raise invalid("`should_retry` is true, false, or absent for no header.", "should_retry")
    chance = random.Random(str(rule.get("seed", 0)))
    return Fault(endpoint, kind, count, probability, seconds, reason, should_retry, chance)
