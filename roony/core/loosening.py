"""Two people for looser rules: what of a change lets agents spend more or more freely, and a change that waits.

An organization may want that. Then whatever loosens what one person changed waits for a second one; what is as strict
as before, or stricter, counts at once. When unsure, it is looser.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from roony.core.agent import ENVELOPE, UNKNOWN_CARDS, Agent, Organization, Project, task_of, task_scope
from roony.core.audit import canonical
from roony.core.budget import Budget
from roony.core.control import (
    AMOUNTS,
    DELIVERIES,
    EMPTY,
    FIELDS,
    FOREIGN_CURRENCIES,
    MERCHANT_LOCKS,
    ActiveHours,
    Control,
    Controls,
    controls_of,
)
from roony.core.explanation import DEFAULTS
from roony.core.money import format_amount
from roony.core.role import may
from roony.core.user import User, may_approve

# A row as it was (None: there was none) and as it would be.
Difference = tuple[Any, Any]
# How long a change waits for its second person: over a long weekend, and no longer than its cause is remembered.
WAITING_SECONDS = 4 * 24 * 3600
STATUSES = ("waiting", "confirmed", "withdrawn", "expired")
# Longer than a document of rules with some hundred changes; what is longer is made in parts.
MAX_CHANGE_BYTES = 64 * 1024
# The name of the setting.
SETTING = "two_people"


class ProposedChange(NamedTuple):
    """A change that loosens and waits, or waited. Times in microseconds UTC.

    `change` is JSON of the command as it was asked for, or where it is decided of its name alone, `permission` what its
    caller needed for it, `base` a mark of all that it would change as it was then; `differences` is JSON of what it
    would loosen, for those who look at it.
    """

    organization_id: str
    id: str
    status: str
    proposed_by: str
    permission: str
    change: str
    base: str
    differences: str
    decided_by: str | None
    decided_at: int | None
    expires_at: int
    created_at: int


def without_text(change: ProposedChange) -> ProposedChange:
    """One that is over: of its command only the name is left, since what was asked for may tell who somebody is."""
    return change._replace(change=json.dumps({"made": json.loads(change.change)["made"], "of": {}}))


def wants_two(settings: str) -> bool:
    """Whether an organization with these settings wants two people for looser rules."""
    return json.loads(settings).get(SETTING) is True


def current_status(change: ProposedChange, now: int) -> str:
    """The status at `now`: past `expires_at` one that waits is expired."""
    return "expired" if change.status == "waiting" and now >= change.expires_at else change.status


def may_confirm(user: User) -> bool:
    """True if this user could be the second person: who may change rules may agree to a change of them."""
    return user.disabled_at is None and may(user.role, "change")


class There(NamedTuple):
    """What was there before a change: the organization's row, and by scope in which currencies it had a limit."""

    organization: Organization
    limited: Mapping[str, Collection[str]]


def loosened(
    changed: Iterable[Difference], organization: Organization, limited: Mapping[str, Collection[str]]
) -> list[dict[str, Any]]:
    """What of these differences loosens, each as {"what", "of", "before", "after"}; empty where nothing does.

    Amounts are minor units of its `currency`, which nothing else has.

    `organization` is its row as it was, `limited` the currencies in which the organization and each scope whose budgets
    change had a limit. It looks at all rows of one change together: what belongs to a project or an agent that the
    change makes loosens nothing of what is there.
    """
    there = There(organization, limited)
    rows = list(changed)
    made = {after.id for before, after in rows if before is None and isinstance(after, Project | Agent)}
    found: list[dict[str, Any]] = []
    for before, after in rows:
        look = _LOOKS.get(type(after))
        if look is not None and not (isinstance(after, Control | Budget) and after.scope_id in made):
            found += [_told(after, organization, *one) for one in look(before, after, there)]
    return found


def mark_of(changed: Iterable[Difference]) -> list[str]:
    """The rows of a change as they were before it, as text: the same as long as nobody else changed them."""
    return sorted(
        f"{type(after).__name__} {canonical([*_lasting(before)]) if before is not None else ''}"
        for before, after in changed
        if type(after) in _LOOKS
    )


def _lasting(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without what moves by itself: the head of the chain, and its clock."""
    if isinstance(row, Organization):
        return row._replace(audit_sequence=0, audit_hash="", clock=0, config_version="")
    return row


def _told(row: Any, organization: Organization, what: str, before: Any, after: Any) -> dict[str, Any]:
    of = row.scope_id if isinstance(row, Control | Budget) else row.id
    told = {"what": what, "of": of, "before": before, "after": after}
    if isinstance(row, Budget):
        return {**told, "currency": row.currency}
    # A control's amounts count in any currency; they are written in the organization's.
    return {**told, "currency": organization.currency} if what in AMOUNTS else told


def values_in_words(one: Mapping[str, Any]) -> tuple[str, str]:
    """What it was and would be, as people write it; `one` as `loosened` gives it, perhaps of an older release."""
    currency, values = one.get("currency"), (one.get("before"), one.get("after"))
    before, after = (
        format_amount(value, currency) if currency and isinstance(value, int) else json.dumps(value, ensure_ascii=False)
        for value in values
    )
    return before, after


Found = Iterable[tuple[str, Any, Any]]


def _control(before: Control | None, after: Control, _there: There) -> Found:
    old, new = controls_of(before) if before is not None else EMPTY, controls_of(after)
    written_old, written_new = json.loads(before.fields) if before is not None else {}, json.loads(after.fields)
    for name in looser_controls(old, new):
        yield name, written_old.get(name), written_new.get(name)


def looser_controls(before: Controls, after: Controls) -> list[str]:
    """The names of the controls that allow more than they did, or may do so beside those of other scopes."""
    return [
        name
        for name in FIELDS
        if getattr(before, name) != getattr(after, name)
        and _LOOSER[name](name, getattr(before, name), getattr(after, name))
    ]


def _higher(_name: str, before: Any, after: Any) -> bool:
    return before is not None and (after is None or after > before)


def _lower(name: str, before: Any, after: Any) -> bool:
    """Of several scopes the largest counts, and where none says anything a default."""
    least = before if before is not None else getattr(DEFAULTS, name)
    return (after if after is not None else 0) < (least or 0)


def _higher_than_default(name: str, before: Any, after: Any) -> bool:
    """Where none says anything a default counts: to say something may be looser than to say nothing."""
    most = before if before is not None else getattr(DEFAULTS, name)
    return most is not None and (after is None or after > most)


def _tolerance(_name: str, before: Any, after: Any) -> bool:
    """Without any there is none, and beside others the smaller one counts: only to lower one is never looser."""
    if after == 0:
        return False
    return before is None or after is None or after > before


def _no_longer(_name: str, before: Any, after: Any) -> bool:
    return bool(before) and not after


def _fewer(_name: str, before: Any, after: Any) -> bool:
    return not set(before or ()) <= set(after or ())


def _wider(_name: str, before: Any, after: Any) -> bool:
    return before is not None and (after is None or not set(after) <= set(before))


def _more_hours(_name: str, before: ActiveHours | None, after: ActiveHours | None) -> bool:
    return before is not None and (after is None or not _minutes(after) <= _minutes(before))


def _minutes(hours: ActiveHours) -> set[int]:
    """The minutes of a week in which purchases may be made."""
    length = (hours.end - hours.start) % 1440 or 1440
    return {(day * 1440 + hours.start + minute) % 10_080 for day in hours.days for minute in range(length)}


def _further_in(order: tuple[str, ...]) -> Callable[[str, Any, Any], bool]:
    """Words from the strictest on; to say nothing is the strictest before, and may be the loosest after."""

    def look(_name: str, before: Any, after: Any) -> bool:
        if after is None:
            return before is not None
        return order.index(after) > (order.index(before) if before is not None else 0)

    return look


_LOOSER: Mapping[str, Callable[[str, Any, Any], bool]] = {
    "purchase_limit": _higher,
    "approval_threshold": _higher,
    "second_approval_threshold": _higher,
    "approval_expiry_seconds": _higher_than_default,
    "approve_new_merchants": _no_longer,
    "approve_categories": _fewer,
    "allowed_merchants": _wider,
    "blocked_merchants": _fewer,
    "allowed_categories": _wider,
    "blocked_categories": _fewer,
    "allowed_countries": _wider,
    "blocked_countries": _fewer,
    "velocity_count": _higher,
    "velocity_amount": _higher,
    "active_hours": _more_hours,
    "card_ttl_seconds": _higher_than_default,
    "tolerance_amount": _tolerance,
    "tolerance_percent": _tolerance,
    "merchant_lock": _further_in(MERCHANT_LOCKS),
    "foreign_currency": _further_in(FOREIGN_CURRENCIES),
    "delivery": _further_in(DELIVERIES),
    "duplicate_window_seconds": _lower,
}


def _budget(before: Budget | None, after: Budget, there: There) -> Found:
    name, limit = f"budget {after.currency} {after.period}", after.limit_amount
    was = before.limit_amount if before is not None else None
    if was is not None:
        if limit is None or limit > was:
            yield name, was, limit
    elif limit and _opens(after, there):
        yield name, 0, limit


def _opens(budget: Budget, there: There) -> bool:
    """True if a first limit may let through what was refused for want of one, in its currency or in any."""
    organization, limited = there
    here = {*limited.get(budget.scope_id, ())}
    if budget.scope == "task":
        here |= {*limited.get(task_scope(task_of(budget.scope_id)[0], ENVELOPE), ())}
    if budget.currency in here:
        return False
    if here or budget.currency != organization.currency:
        return True
    # Where nothing above limits it, nothing may be spent; a task's own limit changes nothing about that.
    unlimited = budget.currency not in limited.get(organization.id, ())
    return unlimited and budget.scope != "task" and not organization.unbudgeted


def _project(before: Project | None, after: Project, _there: There) -> Found:
    """A new one has no agents."""
    if before is not None and before.frozen_at is not None and after.frozen_at is None:
        yield "frozen", True, False


def _agent(before: Agent | None, after: Agent, _there: There) -> Found:
    """A new one spends what nobody else would: it loosens unless it is frozen."""
    if after.frozen_at is None and (before is None or before.frozen_at is not None):
        yield "frozen", None if before is None else True, False
    if before is None:
        return
    named = set(json.loads(before.project_ids)) | {before.project_id}
    if after.project_id != before.project_id or not set(json.loads(after.project_ids)) <= named:
        yield "projects", sorted(named), sorted({after.project_id, *json.loads(after.project_ids)})


def _organization(before: Organization | None, after: Organization, _there: There) -> Found:
    if before is None:
        return
    if before.frozen_at is not None and after.frozen_at is None:
        yield "frozen", True, False
    if after.unbudgeted and not before.unbudgeted:
        yield "unbudgeted", False, True
    if DELIVERIES.index(after.delivery) > DELIVERIES.index(before.delivery):
        yield "delivery", before.delivery, after.delivery
    if after.unknown_cards != before.unknown_cards and after.unknown_cards != UNKNOWN_CARDS[0]:
        yield "unknown_cards", before.unknown_cards, after.unknown_cards
    if wants_two(before.settings) and not wants_two(after.settings):
        yield SETTING, True, False


def _user(before: User | None, after: User, _there: There) -> Found:
    """Whoever could be the second person from now on: of a change, or of an approval."""
    if any(is_one(after) and not (before and is_one(before)) for is_one in (may_approve, may_confirm)):
        yield "role", before.role if before is not None else None, after.role


_LOOKS: Mapping[type, Callable[[Any, Any, There], Found]] = {
    Control: _control,
    Budget: _budget,
    Project: _project,
    Agent: _agent,
    Organization: _organization,
    User: _user,
}
