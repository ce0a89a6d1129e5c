"""What an owner limits: budgets per scope and period, and the spending controls of a scope."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from roony.core.agent import Organization
from roony.core.budget import PERIODS, Budget, budget_id
from roony.core.control import Control, ControlVersion, InvalidControl, parse_controls
from roony.core.errors import Refusal
from roony.core.hashing import derived_id
from roony.core.money import CURRENCIES, MAX_AMOUNT
from roony.flows.scope import limited_scope, scope_needs
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


class Limit(NamedTuple):
    """A limit over one period, in minor units of `currency`; None = tracked, not limited."""

    period: str
    currency: str
    amount: int | None


def control_id(organization_id: str, scope_id: str) -> str:
    """The id of a scope's controls follows from the scope."""
    return derived_id("ctl", organization_id, scope_id)


def check_limits(limits: Iterable[Limit]) -> Refusal | None:
    """Says what is wrong with limits as an owner wrote them, naming the first bad field; None when nothing is."""
    seen = set()
    for place, limit in enumerate(limits):
        if limit.period not in PERIODS:
            return _invalid(f"budgets.{place}.period", f"A period is one of: {', '.join(PERIODS)}.")
        if limit.currency not in CURRENCIES:
            return _invalid(f"budgets.{place}.currency", "It must be a lower-case ISO 4217 currency code.")
        if limit.amount is not None and not 0 <= limit.amount <= MAX_AMOUNT:
            return _invalid(f"budgets.{place}.limit", f"It must be from 0 to {MAX_AMOUNT} minor units.")
        if limit[:2] in seen:
            return _invalid(f"budgets.{place}", f"There are two limits for the {limit.period} in {limit.currency}.")
        seen.add(limit[:2])
    return None


def _invalid(field: str, message: str) -> Refusal:
    return Refusal("invalid", message, 422, field)


def new_budgets(
    organization: Organization, scope: str, scope_id: str, limits: Iterable[Limit], now: int
) -> list[Budget]:
    """One budget per period in the organization's currency and in every other currency that has a limit."""
    given = {(limit.currency, limit.period): limit.amount for limit in limits}
    currencies = dict.fromkeys([organization.currency, *(currency for currency, _ in given)])
    return [
        Budget(
            organization.id,
            budget_id(organization.id, scope_id, currency, period),
            scope,
            scope_id,
            currency,
            period,
            organization.time_zone,
            given.get((currency, period)),
            now,
        )
        for currency in currencies
        for period in PERIODS
    ]


def new_control(
    organization_id: str, scope: str, scope_id: str, fields: Mapping[str, Any], version: int, now: int
) -> Control | Refusal:
    """A row of controls as the owner wrote them, without what is null; a refusal names the control that cannot be."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        parse_controls(given)
    except InvalidControl as error:
        return Refusal("invalid_control", error.message, 422, f"controls.{error.field}")
    return Control(
        organization_id,
        control_id(organization_id, scope_id),
        scope,
        scope_id,
        version,
        json.dumps(given, sort_keys=True),
        now,
    )


def version_of(control: Control, actor: str) -> ControlVersion:
    """The same controls, as they are kept when others take their place."""
    return ControlVersion(
        control.organization_id, control.scope_id, control.version, control.scope, control.fields, actor,
        control.updated_at,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SetBudget(Command[Budget | Refusal]):
    """Limits one scope over one period, or lifts that limit (`limit` None). Minor units of `currency`."""

    can_wait = True

    organization_id: str
    scope: str
    scope_id: str
    currency: str
    period: str
    limit: int | None
    actor: str

    def needs(self, now: int) -> Needs:
        """The scope with its budgets."""
        return scope_needs(self.organization_id, self.scope, self.scope_id)

    def apply(self, book: Book, now: int) -> Budget | Refusal:
        """Granted holds stay good whatever the new limit (section 4). A new currency makes its four budgets."""
        wrong = check_limits([Limit(self.period, self.currency, self.limit)])
        if wrong is not None:
            return wrong._replace(field=(wrong.field or "").rpartition(".")[2])
        found = limited_scope(book, self.organization_id, self.scope, self.scope_id)
        if isinstance(found, Refusal):
            return found
        organization = book.need(Organization, self.organization_id)
        here = {(b.currency, b.period): b for b in book.group(Budget, self.organization_id, self.scope_id)}
        before = here.get((self.currency, self.period))
        if before is not None:
            budget = before._replace(limit_amount=self.limit)
            if budget == before:
                return before
            book.put(budget)
        else:
            made = new_budgets(
                organization, self.scope, self.scope_id, [Limit(self.period, self.currency, self.limit)], now
            )
            for row in made:
                if (row.currency, row.period) not in here:
                    book.put(row)
            budget = next(row for row in made if (row.currency, row.period) == (self.currency, self.period))
        book.record(
            self.organization_id,
            self.actor,
            "budget.set",
            budget.id,
            {
                "scope": self.scope,
                "scope_id": self.scope_id,
                "currency": self.currency,
                "period": self.period,
                "before": before.limit_amount if before else None,
                "after": self.limit,
            },
            now,
        )
        return budget


@dataclass(frozen=True, slots=True)
class SetControls(Command[Control | Refusal]):
    """Replaces all controls of one scope with `fields`, as JSON values; what is left out is no longer set.

    With `expected_version` (0: none were ever set) only if nobody else has set them since.
    """

    can_wait = True

    organization_id: str
    scope: str
    scope_id: str
    fields: Mapping[str, Any]
    actor: str
    expected_version: int | None = None

    def needs(self, now: int) -> Needs:
        """The scope with its controls."""
        return scope_needs(self.organization_id, self.scope, self.scope_id)

    def apply(self, book: Book, now: int) -> Control | Refusal:
        """A new version, also when nothing differs: the owner said again what shall hold."""
        found = limited_scope(book, self.organization_id, self.scope, self.scope_id)
        if isinstance(found, Refusal):
            return found
        before = book.get(Control, self.organization_id, self.scope_id)
        present = before.version if before else 0
        if self.expected_version not in (None, present):
            message = f"These controls are at version {present}, not {self.expected_version}: read them again."
            return Refusal("version_conflict", message, 409, "expected_version")
        version = present + 1
        control = new_control(self.organization_id, self.scope, self.scope_id, self.fields, version, now)
        if isinstance(control, Refusal):
            return control
        book.put(control)
        book.put(version_of(control, self.actor))
        book.record(
            self.organization_id,
            self.actor,
            "controls.set",
            control.id,
            {
                "scope": self.scope,
                "scope_id": self.scope_id,
                "version": version,
                "before": json.loads(before.fields) if before else {},
                "after": json.loads(control.fields),
            },
            now,
        )
        return control
