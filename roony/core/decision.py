"""Deciding a purchase: every check in one fixed order, all reasons collected, the first one official."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from roony.core.agent import Agent, Organization, Project
from roony.core.budget import PERIODS, SCOPES, Budget, is_budgeted, is_short
from roony.core.connection import Connection
from roony.core.control import (
    DAY_NAMES,
    EMPTY,
    Controls,
    blocked_merchant,
    category_passes,
    clock,
    country_passes,
    hold_amount,
    is_active,
    strictest,
)
from roony.core.merchant import Merchant, category_name, match, trade
from roony.core.money import STRIPE_AUTHORIZATION_LIMIT, format_amount
from roony.core.purchase import ONE_TIME, RECURRING, Recurring

# Without a control of the owner's, the same wish within this time is taken for a repetition.
DEFAULT_DUPLICATE_WINDOW_SECONDS = 15 * 60

# Every code in the order of the checks (design section 6), and whether the same ask, unchanged, may be approved
# later without anybody changing a rule, a freeze or a connection.
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


class Reason(NamedTuple):
    """One reason: a stable code, a sentence an agent can act on, and the scope whose rule it was."""

    code: str
    message: str
    scope: str | None = None


class Decision(NamedTuple):
    """Verdict, all reasons (the first is official), what to hold (minor units), the purchase this repeats."""

    verdict: str
    reasons: tuple[Reason, ...]
    hold_amount: int
    duplicate_of: str | None


@dataclass(frozen=True, slots=True)
class Ask:
    """What an agent wants to buy. `amount` in minor units of `currency` (lower-case ISO 4217), for each payment."""

    amount: int
    currency: str
    merchant: Merchant
    task_id: str | None = None
    allow_duplicate: bool = False
    merchant_lock: str | None = None
    recurring: Recurring | None = None

    @property
    def kind(self) -> str:
        """The kind of purchase this asks for."""
        return ONE_TIME if self.recurring is None else RECURRING


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known when an ask is decided, read under the organization's lock.

    `controls` are pairs of scope and controls, narrowest first. `budgets` are (budget, held, spent) of the
    current period for every scope of the chain, in every currency. `duplicate_of` is a purchase with the same
    fingerprint inside the window that holds or has spent. `velocity` is how many purchases this agent asked for
    in this hour and their sum. When an approval is decided again, its own purchase is left out of all of these.
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
    """What the checks look at. `same_currency` is False when amounts cannot be compared with the owner's limits.

    `controls` are those of the facts, without scopes whose owner set none: no check has anything to say of these.
    """

    ask: Ask
    facts: Facts
    hold: int
    now: int
    same_currency: bool
    controls: tuple[tuple[str, Controls], ...]

    def money(self, amount: int) -> str:
        """An amount in the currency of the ask, for a message."""
        return format_amount(amount, self.ask.currency)


def decide(ask: Ask, facts: Facts, now: int) -> Decision:
    """Approved, declined or for a person to decide; `now` in microseconds UTC. The same input, the same answer.

    1. The hold is the amount plus the strictest tolerance of all scopes.
    2. Every declining check runs. Any reason → declined.
    3. Every check that asks for a person runs. Any reason → needs_approval. When a person says yes, the same ask
       is decided again: then `needs_approval` means that nothing but that yes stood in its way.
    """
    hold = hold_amount(ask.amount, strictest([controls for _, controls in facts.controls]))
    controls = tuple(pair for pair in facts.controls if pair[1] is not EMPTY)
    case = _Case(ask, facts, hold, now, ask.currency == _card_currency(facts), controls)
    duplicate_of = facts.duplicate_of
    reasons = tuple(reason for check in _DECLINING for reason in check(case))
    if reasons:
        return Decision("declined", reasons, hold, duplicate_of)
    reasons = tuple(reason for check in _FOR_A_PERSON for reason in check(case))
    return Decision("needs_approval" if reasons else "approved", reasons, hold, duplicate_of)


def _card_currency(facts: Facts) -> str:
    return facts.connection.currency if facts.connection else facts.organization.currency


def _of(scope: str) -> str:
    return f"this {scope}" if scope in ("agent", "task") else f"the {scope}"


def _standing(case: _Case) -> Iterator[Reason]:
    """Frozen or suspended. A project or agent that is not there counts as suspended: when unsure, decline."""
    facts = case.facts
    if facts.organization.frozen_at is not None:
        message = "All purchases of the organization are stopped. Only its owner can lift this."
        yield Reason("ORGANIZATION_FROZEN", message, "organization")
    for scope, member in (("project", facts.project), ("agent", facts.agent)):
        if member is None or member.frozen_at is not None:
            message = f"All purchases of {_of(scope)} are stopped. Only the owner can lift this."
            yield Reason("AGENT_SUSPENDED", message, scope)


def _connection(case: _Case) -> Iterator[Reason]:
    connection = case.facts.connection
    if connection is None:
        yield Reason("CONNECTION_INACTIVE", "No Stripe account is connected. The owner has to connect one.")
    elif connection.status != "active":
        message = f"No card can be made: the Stripe account is {connection.status}. The owner has to look at it."
        yield Reason("CONNECTION_INACTIVE", message)
    elif not connection.approves:
        message = "Roony is fetching what happened at Stripe while it was not running. Ask again in a minute."
        yield Reason("CONNECTION_INACTIVE", message)


def _currency(case: _Case) -> Iterator[Reason]:
    if not case.same_currency:
        card = _card_currency(case.facts).upper()
        amount = case.money(case.ask.amount)
        message = f"{amount} cannot be paid: cards here are in {card}. Ask for the price in {card}."
        yield Reason("CURRENCY_NOT_SUPPORTED", message)


def _stripe_limit(case: _Case) -> Iterator[Reason]:
    if case.same_currency and case.hold > STRIPE_AUTHORIZATION_LIMIT:
        most, needed = case.money(STRIPE_AUTHORIZATION_LIMIT), case.money(case.hold)
        message = f"A card payment can be at most {most}; this one, with its tolerance, needs {needed}."
        yield Reason("AMOUNT_TOO_LARGE", message)


def _duplicate(case: _Case) -> Iterator[Reason]:
    if case.facts.duplicate_of is not None and not case.ask.allow_duplicate:
        yield Reason(
            "POSSIBLE_DUPLICATE",
            f"This looks like purchase {case.facts.duplicate_of}, asked for a short time ago: same task, merchant"
            " and amount. Look at that one first. If a second one is really wanted, ask with allow_duplicate.",
        )


def _purchase_limit(case: _Case) -> Iterator[Reason]:
    for scope, controls in case.controls:
        limit = controls.purchase_limit
        if case.same_currency and limit is not None and case.ask.amount > limit:
            amount, most = case.money(case.ask.amount), case.money(limit)
            message = f"{amount} is over the limit of {most} a purchase that is set for {_of(scope)}."
            yield Reason("OVER_PURCHASE_LIMIT", message, scope)


def _category(case: _Case) -> Iterator[Reason]:
    code = case.ask.merchant.category
    for scope, controls in case.controls:
        if category_passes(controls, code):
            continue
        if code is None:
            message = f"The rules of {_of(scope)} allow certain categories only. Name the merchant's category."
        else:
            message = f"The rules of {_of(scope)} do not allow the category {category_name(code) or code}."
        yield Reason("CATEGORY_BLOCKED", message, scope)


def _country(case: _Case) -> Iterator[Reason]:
    country = case.ask.merchant.country
    for scope, controls in case.controls:
        if country_passes(controls, country):
            continue
        if country is None:
            message = f"The rules of {_of(scope)} allow certain countries only. Name the merchant's country."
        else:
            message = f"The rules of {_of(scope)} do not allow merchants in {country.upper()}."
        yield Reason("COUNTRY_BLOCKED", message, scope)


def _merchant(case: _Case) -> Iterator[Reason]:
    """Blocked names are looked for in the name and the address; an allow list looks at the name alone."""
    merchant = case.ask.merchant
    for scope, controls in case.controls:
        blocked = blocked_merchant(controls, merchant.name, merchant.url)
        if blocked is not None:
            message = f"The rules of {_of(scope)} block the merchant {blocked}."
            yield Reason("MERCHANT_BLOCKED", message, scope)
    for scope, controls in case.controls:
        allowed = controls.allowed_merchants
        if allowed is not None and not match(allowed, merchant.name).matched:
            names = ", ".join(allowed[:10]) + (", …" if len(allowed) > 10 else "")
            message = f"The rules of {_of(scope)} allow these merchants only: {names}."
            yield Reason("MERCHANT_NOT_ALLOWED", message, scope)


def _velocity(case: _Case) -> Iterator[Reason]:
    count, amount = case.facts.velocity
    for scope, controls in case.controls:
        most, limit = controls.velocity_count, controls.velocity_amount
        if most is not None and count + 1 > most:
            message = f"{_of(scope).capitalize()}'s rules allow an agent {most} purchases an hour; {count} are made."
            yield Reason("VELOCITY_EXCEEDED", f"{message} Wait for the next hour.", scope)
        if case.same_currency and limit is not None and amount + case.ask.amount > limit:
            allowed, used = case.money(limit), case.money(amount)
            message = f"{_of(scope).capitalize()}'s rules allow an agent {allowed} an hour; {used} is used."
            yield Reason("VELOCITY_EXCEEDED", f"{message} Wait for the next hour or ask for less.", scope)


def _active_hours(case: _Case) -> Iterator[Reason]:
    zone = case.facts.organization.time_zone
    for scope, controls in case.controls:
        hours = controls.active_hours
        if hours is not None and not is_active(hours, zone, case.now):
            days = ", ".join(DAY_NAMES[day] for day in sorted(hours.days))
            times = f"{days} from {clock(hours.start)} to {clock(hours.end)} ({zone})"
            message = f"The rules of {_of(scope)} allow purchases {times}. Ask again then."
            yield Reason("OUTSIDE_ACTIVE_HOURS", message, scope)


def _budgets(case: _Case) -> Iterator[Reason]:
    """All limited budgets of the chain must have room; a scope with none in this currency refuses."""
    limited = [row for row in case.facts.budgets if row[0].limit_amount is not None]
    if not is_budgeted(limited) and not case.facts.organization.unbudgeted:
        message = "No budget is set for this agent, its project or the organization, so nothing may be spent."
        yield Reason("BUDGET_EXCEEDED", f"{message} Ask the owner for one.")
    for scope in SCOPES:
        here = [row for row in limited if row[0].scope == scope]
        usable = [row for row in here if row[0].currency == case.ask.currency]
        if here and not usable:
            message = f"No budget of {_of(scope)} is in {case.ask.currency.upper()}."
            yield Reason("BUDGET_EXCEEDED", message, scope)
        short = [row for row in usable if is_short(*row, case.hold)]
        for budget, held, spent in sorted(short, key=lambda row: PERIODS.index(row[0].period)):
            yield _over_budget(case, budget, held, spent)


def _over_budget(case: _Case, budget: Budget, held: int, spent: int) -> Reason:
    limit = budget.limit_amount or 0
    period = "lifetime budget" if budget.period == "lifetime" else f"budget for this {budget.period}"
    return Reason(
        "BUDGET_EXCEEDED",
        f"The {period} of {_of(budget.scope)} is {case.money(limit)} and {case.money(limit - spent - held)} of it"
        f" is available; this purchase needs {case.money(case.hold)}.",
        budget.scope,
    )


def _over_threshold(case: _Case) -> Iterator[Reason]:
    for scope, controls in case.controls:
        threshold = controls.approval_threshold
        if threshold is not None and case.ask.amount > threshold:
            amount, most = case.money(case.ask.amount), case.money(threshold)
            message = f"{amount} is over {most}: above that a person decides for {_of(scope)}."
            yield Reason("APPROVAL_OVER_THRESHOLD", message, scope)
        second = controls.second_approval_threshold
        if second is not None and case.ask.amount > second:
            amount, most = case.money(case.ask.amount), case.money(second)
            message = f"{amount} is over {most}: above that two different people decide for {_of(scope)}."
            yield Reason("APPROVAL_OVER_THRESHOLD", message, scope)


def _new_merchant(case: _Case) -> Iterator[Reason]:
    for scope, controls in case.controls:
        if controls.approve_new_merchants and not case.facts.merchant_known:
            message = f"Nothing was bought from this merchant before: a person decides for {_of(scope)}."
            yield Reason("APPROVAL_NEW_MERCHANT", message, scope)


def _category_for_a_person(case: _Case) -> Iterator[Reason]:
    """An ask that names no category needs a person as well: leaving it out must not loosen the rule."""
    code = case.ask.merchant.category
    for scope, controls in case.controls:
        listed = controls.approve_categories
        if listed and (code is None or trade(code) in listed):
            what = f"the category {category_name(code) or code}" if code else "a merchant without a category"
            yield Reason("APPROVAL_CATEGORY", f"For {what} a person decides for {_of(scope)}.", scope)


def _wanted_duplicate(case: _Case) -> Iterator[Reason]:
    if case.facts.duplicate_of is not None and case.ask.allow_duplicate:
        message = f"This repeats purchase {case.facts.duplicate_of} on purpose: a person decides."
        yield Reason("APPROVAL_DUPLICATE", message)


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
