"""Deciding a purchase: every check in one fixed order, all reasons collected, the first one official."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from roony.core.agent import Agent, Organization, Project
from roony.core.budget import PERIODS, SCOPES, Budget
from roony.core.connection import Connection
from roony.core.control import (
    DAY_NAMES,
    ActiveHours,
    Controls,
    category_passes,
    clock,
    country_passes,
    hold_amount,
    strictest,
)
from roony.core.merchant import Merchant, category_name, match, mentions, trade
from roony.core.money import STRIPE_AUTHORIZATION_LIMIT, format_amount

# Without a control of the owner's, the same wish within this time is taken for a repetition.
DEFAULT_DUPLICATE_WINDOW_SECONDS = 15 * 60

# Every code in the order of the checks (design section 6), and whether the same ask, unchanged, may be approved later
# without anybody changing a rule, a freeze or a connection.
RETRY_CAN_HELP: dict[str, bool] = {
    "ORGANIZATION_FROZEN": False,
    "AGENT_SUSPENDED": False,
    "CONNECTION_INACTIVE": False,
    "CURRENCY_NOT_SUPPORTED": False,
    "AMOUNT_TOO_LARGE": False,
    "POSSIBLE_DUPLICATE": False,  # the window does end, but asking again is what the guard is there to stop
    "OVER_PURCHASE_LIMIT": False,
    "CATEGORY_BLOCKED": False,
    "COUNTRY_BLOCKED": False,
    "MERCHANT_BLOCKED": False,
    "MERCHANT_NOT_ALLOWED": False,
    "VELOCITY_EXCEEDED": True,
    "OUTSIDE_ACTIVE_HOURS": True,
    "BUDGET_EXCEEDED": True,
    "APPROVAL_OVER_THRESHOLD": False,
    "APPROVAL_NEW_MERCHANT": False,
    "APPROVAL_CATEGORY": False,
    "APPROVAL_DUPLICATE": False,
}
CODES = tuple(RETRY_CAN_HELP)
VERDICTS = ("approved", "declined", "needs_approval")


class Reason(NamedTuple):
    """One reason for a verdict: a stable code, a sentence an agent can act on, and the scope whose rule it was."""

    code: str
    message: str
    scope: str | None = None


class Decision(NamedTuple):
    """The verdict, all reasons (the first is official), what to hold (minor units), and the purchase this repeats."""

    verdict: str
    reasons: tuple[Reason, ...]
    hold_amount: int
    duplicate_of: str | None


@dataclass(frozen=True, slots=True)
class Ask:
    """What an agent wants to buy. `amount` in minor units of `currency` (lower-case ISO 4217)."""

    amount: int
    currency: str
    merchant: Merchant
    task_id: str | None = None
    allow_duplicate: bool = False
    merchant_lock: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known when an ask is decided, read under the organization's lock.

    `controls` are pairs of scope and controls, narrowest first. `budgets` are (budget, held, spent) of the current
    period for every scope of the chain, in every currency. `duplicate_of` is a purchase with the same fingerprint
    inside the window that holds or has spent. `velocity` is how many purchases this agent asked for in this hour and
    their sum. When an approval is decided again, its own purchase is left out of all of these.
    """

    organization: Organization
    project: Project | None
    agent: Agent | None
    connection: Connection | None
    controls: tuple[tuple[str, Controls], ...]
    budgets: tuple[tuple[Budget, int, int], ...]
    duplicate_of: str | None
    velocity: tuple[int, int]
    merchant_known: bool


class _Case(NamedTuple):
    """What the checks look at. `same_currency` is False when amounts cannot be compared with the owner's limits."""

    ask: Ask
    facts: Facts
    hold: int
    now: int
    same_currency: bool


def decide(ask: Ask, facts: Facts, now: int) -> Decision:
    """Approved, declined or for a person to decide; `now` in microseconds UTC. Pure: the same input, the same answer.

    1. Hold: the amount plus the strictest tolerance of all scopes.
    2. Run every declining check. Any reason → declined.
    3. Run every check that asks for a person. Any reason → needs_approval. What a person has approved is decided again
       when they do: then `needs_approval` means that nothing stands against it any more.
    """
    hold = hold_amount(ask.amount, strictest([controls for _, controls in facts.controls]))
    case = _Case(ask, facts, hold, now, ask.currency == _card_currency(facts))
    duplicate_of = facts.duplicate_of
    reasons = tuple(reason for check in _DECLINING for reason in check(case))
    if reasons:
        return Decision("declined", reasons, hold, duplicate_of)
    reasons = tuple(reason for check in _FOR_A_PERSON for reason in check(case))
    return Decision("needs_approval" if reasons else "approved", reasons, hold, duplicate_of)


def _card_currency(facts: Facts) -> str:
    return facts.connection.currency if facts.connection else facts.organization.currency


def _of(scope: str) -> str:
    return {"organization": "the organization", "project": "the project", "task": "this task"}.get(
        scope, "this agent"
    )


def _standing(case: _Case) -> Iterator[Reason]:
    """Frozen or suspended. A project or agent that is not there counts as suspended: when unsure, decline."""
    facts = case.facts
    if facts.organization.frozen_at is not None:
        yield Reason(
            "ORGANIZATION_FROZEN",
            "All purchases of the organization are stopped. Ask its owner; do not ask again before it is unfrozen.",
            "organization",
        )
    for scope, member in (("project", facts.project), ("agent", facts.agent)):
        if member is None or member.frozen_at is not None:
            yield Reason("AGENT_SUSPENDED", f"Purchases of {_of(scope)} are stopped. Ask the owner.", scope)


def _connection(case: _Case) -> Iterator[Reason]:
    connection = case.facts.connection
    if connection is None:
        yield Reason("CONNECTION_INACTIVE", "No Stripe account is connected. The owner has to connect one.")
    elif connection.status != "active":
        yield Reason(
            "CONNECTION_INACTIVE",
            f"The connected Stripe account is {connection.status}, so no card can be made. The owner has to look at it.",
        )


def _currency(case: _Case) -> Iterator[Reason]:
    if not case.same_currency:
        card = _card_currency(case.facts).upper()
        yield Reason(
            "CURRENCY_NOT_SUPPORTED",
            f"Cards here are in {card}, not {case.ask.currency.upper()}. Ask for the price in {card}.",
        )


def _stripe_limit(case: _Case) -> Iterator[Reason]:
    if case.same_currency and case.hold > STRIPE_AUTHORIZATION_LIMIT:
        most = format_amount(STRIPE_AUTHORIZATION_LIMIT, case.ask.currency)
        would = format_amount(case.hold, case.ask.currency)
        yield Reason(
            "AMOUNT_TOO_LARGE",
            f"A card payment can be {most} at most; this one, with its tolerance, needs {would}.",
        )


def _duplicate(case: _Case) -> Iterator[Reason]:
    if case.facts.duplicate_of is not None and not case.ask.allow_duplicate:
        yield Reason(
            "POSSIBLE_DUPLICATE",
            f"This looks like purchase {case.facts.duplicate_of}: same task, merchant and amount, a short time ago. Look"
            " at that one first. If a second one is really wanted, ask with allow_duplicate and a person will decide.",
        )


def _purchase_limit(case: _Case) -> Iterator[Reason]:
    for scope, controls in case.facts.controls:
        limit = controls.purchase_limit
        if case.same_currency and limit is not None and case.ask.amount > limit:
            amount, most = (format_amount(value, case.ask.currency) for value in (case.ask.amount, limit))
            yield Reason(
                "OVER_PURCHASE_LIMIT", f"{amount} is over the {most} a purchase of {_of(scope)}.", scope
            )


def _category(case: _Case) -> Iterator[Reason]:
    code = case.ask.merchant.category
    for scope, controls in case.facts.controls:
        if category_passes(controls, code):
            continue
        if code is None:
            message = f"The rules of {_of(scope)} allow certain categories only. Say the merchant's category."
        else:
            message = (
                f"The rules of {_of(scope)} do not allow the category {category_name(code) or code} ({code})."
            )
        yield Reason("CATEGORY_BLOCKED", message, scope)


def _country(case: _Case) -> Iterator[Reason]:
    country = case.ask.merchant.country
    for scope, controls in case.facts.controls:
        if country_passes(controls, country):
            continue
        if country is None:
            message = f"The rules of {_of(scope)} allow certain countries only. Say the merchant's country."
        else:
            message = f"The rules of {_of(scope)} do not allow merchants in {country.upper()}."
        yield Reason("COUNTRY_BLOCKED", message, scope)


def _merchant(case: _Case) -> Iterator[Reason]:
    """Blocked names are looked for in the name and the address; an allow list looks at the name alone."""
    merchant = case.ask.merchant
    for scope, controls in case.facts.controls:
        for blocked in controls.blocked_merchants or ():
            if mentions(blocked, merchant.name) or (merchant.url and mentions(blocked, merchant.url)):
                yield Reason(
                    "MERCHANT_BLOCKED", f"The rules of {_of(scope)} block the merchant {blocked}.", scope
                )
                break
    for scope, controls in case.facts.controls:
        allowed = controls.allowed_merchants
        if allowed is not None and not match(allowed, merchant.name).matched:
            names = ", ".join(allowed[:10]) + (", …" if len(allowed) > 10 else "")
            yield Reason(
                "MERCHANT_NOT_ALLOWED",
                f"The rules of {_of(scope)} allow these merchants only: {names}.",
                scope,
            )


def _velocity(case: _Case) -> Iterator[Reason]:
    count, amount = case.facts.velocity
    for scope, controls in case.facts.controls:
        most = controls.velocity_count
        if most is not None and count + 1 > most:
            yield Reason(
                "VELOCITY_EXCEEDED",
                f"The rules of {_of(scope)} allow {most} purchases an hour per agent, and {count} were asked for in this"
                " hour. Wait for the next one.",
                scope,
            )
        limit = controls.velocity_amount
        if case.same_currency and limit is not None and amount + case.ask.amount > limit:
            allowed, used = (format_amount(value, case.ask.currency) for value in (limit, amount))
            yield Reason(
                "VELOCITY_EXCEEDED",
                f"The rules of {_of(scope)} allow {allowed} an hour per agent, and {used} was asked for in this hour. Wait"
                " for the next one or ask for less.",
                scope,
            )


def _active_hours(case: _Case) -> Iterator[Reason]:
    zone = case.facts.organization.time_zone
    for scope, controls in case.facts.controls:
        hours = controls.active_hours
        if hours is not None and not is_active(hours, zone, case.now):
            days = ", ".join(DAY_NAMES[day] for day in sorted(hours.days))
            yield Reason(
                "OUTSIDE_ACTIVE_HOURS",
                f"The rules of {_of(scope)} allow purchases {days} from {clock(hours.start)} to {clock(hours.end)}"
                f" ({zone}). Ask again then.",
                scope,
            )


def is_active(hours: ActiveHours, time_zone: str, now: int) -> bool:
    """True if the clock of `time_zone` shows an active hour at `now` (microseconds UTC)."""
    local = datetime.fromtimestamp(now // 1_000_000, UTC).astimezone(ZoneInfo(time_zone))
    minute, today = local.hour * 60 + local.minute, local.weekday()
    if hours.start < hours.end:
        return today in hours.days and hours.start <= minute < hours.end
    began_today = today in hours.days and minute >= hours.start
    return began_today or ((today - 1) % 7 in hours.days and minute < hours.end)


def _budgets(case: _Case) -> Iterator[Reason]:
    """All limited budgets of the chain must have room for the hold; a scope with none in this currency refuses."""
    limited = sorted(
        (row for row in case.facts.budgets if row[0].limit_amount is not None),
        key=lambda row: (SCOPES.index(row[0].scope), PERIODS.index(row[0].period)),
    )
    if not limited and not case.facts.organization.unbudgeted:
        yield Reason(
            "BUDGET_EXCEEDED",
            "No budget is set for this agent, its project or the organization, so nothing may be spent. Ask the owner.",
        )
    currency = case.ask.currency
    for scope in SCOPES:
        here = [row for row in limited if row[0].scope == scope]
        usable = [row for row in here if row[0].currency == currency]
        if here and not usable:
            yield Reason(
                "BUDGET_EXCEEDED", f"The budget of {_of(scope)} is not in {currency.upper()}.", scope
            )
        for budget, held, spent in usable:
            reason = _over_budget(budget, held, spent, case.hold)
            if reason is not None:
                yield reason


def _over_budget(budget: Budget, held: int, spent: int, hold: int) -> Reason | None:
    limit = budget.limit_amount
    if limit is None or (limit > 0 and hold <= limit - spent - held):
        return None
    most, left, wanted = (
        format_amount(value, budget.currency) for value in (limit, limit - spent - held, hold)
    )
    period = "lifetime" if budget.period == "lifetime" else f"{budget.period}'s"
    return Reason(
        "BUDGET_EXCEEDED",
        f"The {period} budget of {_of(budget.scope)} is {most} and {left} of it is available; this needs {wanted}.",
        budget.scope,
    )


def _over_threshold(case: _Case) -> Iterator[Reason]:
    for scope, controls in case.facts.controls:
        threshold = controls.approval_threshold
        if threshold is not None and case.ask.amount > threshold:
            amount, most = (format_amount(value, case.ask.currency) for value in (case.ask.amount, threshold))
            yield Reason(
                "APPROVAL_OVER_THRESHOLD",
                f"{amount} is over {most}: a person decides ({_of(scope)}'s rule).",
                scope,
            )


def _new_merchant(case: _Case) -> Iterator[Reason]:
    if case.facts.merchant_known:
        return
    for scope, controls in case.facts.controls:
        if controls.approve_new_merchants:
            yield Reason(
                "APPROVAL_NEW_MERCHANT",
                f"Nothing was bought from this merchant before: a person decides ({_of(scope)}'s rule).",
                scope,
            )


def _category_for_a_person(case: _Case) -> Iterator[Reason]:
    """A category that needs a person. An ask that names none needs one too: leaving it out must not loosen the rule."""
    code = case.ask.merchant.category
    for scope, controls in case.facts.controls:
        listed = controls.approve_categories
        if listed and (code is None or trade(code) in listed):
            what = (
                "A purchase without a category"
                if code is None
                else f"The category {category_name(code) or code}"
            )
            yield Reason("APPROVAL_CATEGORY", f"{what} is decided by a person ({_of(scope)}'s rule).", scope)


def _wanted_duplicate(case: _Case) -> Iterator[Reason]:
    if case.facts.duplicate_of is not None and case.ask.allow_duplicate:
        yield Reason(
            "APPROVAL_DUPLICATE",
            f"This repeats purchase {case.facts.duplicate_of} on purpose: a person decides.",
        )


_Check = Callable[[_Case], Iterator[Reason]]
_DECLINING: tuple[_Check, ...] = (
    _standing,
    _connection,
    _currency,
    _stripe_limit,
    _duplicate,
    _purchase_limit,
    _category,
    _country,
    _merchant,
    _velocity,
    _active_hours,
    _budgets,
)
_FOR_A_PERSON: tuple[_Check, ...] = (
    _over_threshold,
    _new_merchant,
    _category_for_a_person,
    _wanted_duplicate,
)
