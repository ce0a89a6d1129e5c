"""What an account may do: its capabilities, its rejection by the platform, its end (facts 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from roony.simulator.accounts import no_requirements
from roony.simulator.connecting import revoke
from roony.simulator.events import emit
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.views import View, frozen, previous_attributes
from roony.simulator.world import World

# Why the platform rejects, and what the account then says (Stripe's changelog of 2026-09-30.endive).
_REJECTED = {
    "credit": "rejected.platform_other",
    "fraud_no_intent_to_fulfill": "rejected.platform_fraud",
    "fraud_other": "rejected.platform_fraud",
    "fraud_payment_method_casher": "rejected.platform_fraud",
    "fraud_payment_method_tester": "rejected.platform_fraud",
    "other": "rejected.platform_other",
    "terms_of_service": "rejected.platform_terms_of_service",
}
REJECT_REASONS = tuple(_REJECTED)
_NEVER_ASKED = {"requested": False, "requested_at": None, "status": "unrequested"}


@contextmanager
def telling(world: World, record: Record) -> Iterator[None]:
    """Tell by `account.updated` what changes inside, and by `capability.updated` each capability that does."""
    before, capabilities = frozen(record["body"]), frozen(_capabilities(record))
    yield
    world.accounts.touch(record)
    for name, after in _capabilities(record).items():
        old = capabilities.get(name) or {**frozen(after), **_NEVER_ASKED}
        if after != old:
            emit(world, record["id"], "capability.updated", after, previous_attributes(old, after))
    if record["body"] != before:
        changed = previous_attributes(before, record["body"])
        emit(world, record["id"], "account.updated", record["body"], changed)


def capability_view(record: Record, name: str) -> View:
    """Return one capability of an account; one that was never asked for is `unrequested`."""
    status = record["body"]["capabilities"].get(name)
    if status is None:
        return {**_capability(record, name), **_NEVER_ASKED}
    requirements = no_requirements()
    if status == "inactive":
        requirements["disabled_reason"] = "rejected.other" if record["rejected"] else "other"
    elif status == "pending":
        requirements["disabled_reason"] = "pending.review"
    asked = {"requested": True, "requested_at": record["asked"].get(name), "status": status}
    return {**_capability(record, name), **asked, "requirements": requirements}


def _capability(record: Record, name: str) -> View:
    return {
        "id": name,
        "object": "capability",
        "account": record["id"],
        "future_requirements": no_requirements(),
        "requirements": no_requirements(),
    }


def _capabilities(record: Record) -> dict[str, View]:
    return {name: capability_view(record, name) for name in record["asked"]}


def ask(world: World, record: Record, wishes: dict[str, bool]) -> None:
    """Ask for capabilities, which the simulation grants at once, or give them back."""
    capabilities = record["body"]["capabilities"]
    for name, wanted in wishes.items():
        if wanted and name not in capabilities:
            capabilities[name] = "inactive" if record["rejected"] else "active"
            record["asked"][name] = world.clock.now()
        elif not wanted and name in record["asked"]:
            capabilities.pop(name, None)
            record["asked"][name] = None


def set_capability(world: World, record: Record, name: str, status: str) -> None:
    """Set a capability as only Stripe can: active, inactive or pending."""
    if name not in record["body"]["capabilities"]:
        record["asked"][name] = world.clock.now()
    record["body"]["capabilities"][name] = status


def reject(record: Record, reason: str, *, pause_payouts: bool) -> None:
    """Reject an account on the platform's wish: nothing works until that is taken back."""
    body = record["body"]
    if body["controller"].get("losses", {}).get("payments") != "application":
        raise invalid("Only accounts for whose losses your platform is liable can be rejected.")
    if record["rejected"] is not None:
        raise invalid("This account has already been rejected.")
    record["rejected"] = {"capabilities": dict(body["capabilities"]), "payouts_enabled": body["payouts_enabled"]}
    body["capabilities"] = dict.fromkeys(body["capabilities"], "inactive")
    body["charges_enabled"] = False
    if pause_payouts:
        body["payouts_enabled"] = False
    body["requirements"] = {**body["requirements"], "disabled_reason": _REJECTED[reason]}


def unreject(record: Record) -> None:
    """Take a rejection back: everything is as before, and what was asked for since is granted."""
    kept = record["rejected"]
    if kept is None:
        raise invalid("This account has not been rejected by your platform.")
    body = record["body"]
    record["rejected"] = None
    body["capabilities"] = {name: kept["capabilities"].get(name, "active") for name in body["capabilities"]}
    body["charges_enabled"], body["payouts_enabled"] = True, kept["payouts_enabled"]
    body["requirements"] = {**body["requirements"], "disabled_reason": None}


def end(world: World, record: Record) -> dict[str, Any]:
    """Delete an account: its connection ends, and nobody can reach it any more.

    The record stays, since authorizations and events of the account still point to it.
    """
    if not record["body"]["controller"].get("is_controller"):
        raise invalid("This account is not controlled by your platform: you can only disconnect it.")
    revoke(world, record["id"])
    record["deleted"] = True
    world.accounts.touch(record)
    return {"id": record["id"], "object": "account", "deleted": True}
