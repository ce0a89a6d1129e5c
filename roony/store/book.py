"""The facts of one batch of commands: what they read, changed in memory and written back in one go.

A command names the facts it needs beforehand; asking for another one raises. Changes of one command can be undone
without touching its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Table

from roony.core.agent import Organization
from roony.core.audit import AuditDraft, AuditRecord, chain_record
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.budget import Budget, BudgetPeriod
from roony.core.cardholder import Cardholder
from roony.core.duration import SECOND
from roony.core.errors import BrokenCaller
from roony.core.ledger import Hold
from roony.core.mandate import Payment
from roony.core.passkey import Passkey
from roony.core.purchase import Purchase
from roony.core.receipt import Receipt
from roony.core.settlement import StripeTransaction
from roony.core.sign_in import OneTimeLink
from roony.core.user import User
from roony.store import tables
from roony.store.marks import mark_budgets, mark_status
from roony.store.retention import Removal, remove
from roony.store.rows import AccessKey, EventOutcome, OutboxPromise, PromiseOutcome
from roony.store.statements import by_difference, finish_event, finish_promise
from roony.store.tables import CONFIG_TABLES, TABLE_OF
from roony.store.writer import Writer

Row = TypeVar("Row", bound=tuple[Any, ...])

# Rows that are also looked up in groups: all authorizations of a purchase, all budgets of a scope. The first column is
# the one meant when none is named.
GROUPED_BY: dict[type, tuple[str, ...]] = {
    AccessKey: ("user_id", "agent_id"),
    Authorization: ("purchase_id",),
    AuthorizationDecision: ("authorization_id",),
    Budget: ("scope_id",),
    Cardholder: ("scope_id",),
    OneTimeLink: ("user_id",),
    Passkey: ("user_id",),
    Payment: ("purchase_id",),
    Receipt: ("purchase_id",),
    StripeTransaction: ("purchase_id", "stripe_card_id", "network_transaction_id"),
    User: ("organization_id",),
}

_MISSING = object()


def _getter(names: Iterable[str], row: type) -> Callable[[Any], tuple[Any, ...]]:
    fields: tuple[str, ...] = row._fields  # type: ignore[attr-defined]
    places = [fields.index(name) for name in names]
    if len(places) == 1:
        place = places[0]
        return lambda item: (item[place],)
    return itemgetter(*places)


_KEY_OF: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    row: _getter(table.info["key"], row) for row, table in TABLE_OF.items()
}
_GROUP_OF: dict[type, dict[str, Callable[[Any], tuple[Any, ...]]]] = {
    row: {column: _getter(("organization_id", column), row) for column in columns}
    for row, columns in GROUPED_BY.items()
}
_CONFIG_TYPES = frozenset(tables.row_type(table) for table in CONFIG_TABLES)


class Book:
    """Facts in memory, read through the changes of earlier commands of the batch."""

    def __init__(self, new_config_version: Callable[[], str]) -> None:
        """`new_config_version` gives a fresh random value for an organization whose configuration changed."""
        self._rows: dict[type, dict[Any, Any]] = {row: {} for row in TABLE_OF}
        self._groups: dict[tuple[type, str], dict[Any, dict[Any, Any]]] = {
            (row, column): {} for row, columns in GROUPED_BY.items() for column in columns
        }
        self._changed: dict[type, dict[Any, Any]] = {row: {} for row in TABLE_OF}
        # Rows as they were loaded: these are updated instead of inserted, and only where they differ.
        self._there: dict[type, dict[Any, Any]] = {row: {} for row in TABLE_OF}
        self._moves: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._journal: list[tuple[dict[Any, Any], Any, Any]] = []
        self._records: list[AuditDraft] = []
        self._event_outcomes: list[EventOutcome] = []
        self._promise_outcomes: list[PromiseOutcome] = []
        self._removals: list[Removal] = []
        self._reconfigured: set[str] = set()
        self._new_config_version = new_config_version
        self._started = 0.0
        self._reconfigured_before: set[str] = set()
        self._mark: tuple[int, int, int, int] = (0, 0, 0, 0)
        # Purchases this command wrote, and the status each had before it.
        self._statuses: dict[Any, str | None] = {}
        # Stripe's card id → ours, as named by commands; None for a card that is not ours.
        self.stripe_cards: dict[tuple[str, str, str], str | None] = {}

    # What commands call

    def get(self, row: type[Row], *key: Any) -> Row | None:
        """The row with this key as it is now, or None. Raises BrokenCaller for a fact that was not named."""
        try:
            found: Row | None = self._rows[row][key]
        except KeyError:
            raise BrokenCaller(f"{row.__name__} {key} was not named beforehand") from None
        return found

    def need(self, row: type[Row], *key: Any) -> Row:
        """Like `get`, for a row that must exist. Raises BrokenCaller when it does not."""
        found = self.get(row, *key)
        if found is None:
            raise BrokenCaller(f"{row.__name__} {key} does not exist")
        return found

    def group(self, row: type[Row], organization_id: str, value: str, column: str | None = None) -> list[Row]:
        """All rows of a group, such as the authorizations of a purchase. Raises BrokenCaller when it was not named."""
        try:
            return list(self._groups[(row, column or GROUPED_BY[row][0])][(organization_id, value)].values())
        except KeyError:
            raise BrokenCaller(f"{row.__name__} of {value} were not named beforehand") from None

    def all_of(self, row: type[Row]) -> list[Row]:
        """All rows of a type that are in the book."""
        return [item for item in self._rows[row].values() if item is not None]

    def put(self, item: tuple[Any, ...]) -> None:
        """Adds a row or replaces it whole."""
        row = type(item)
        key = _KEY_OF[row](item)
        if row is Purchase and key not in self._statuses:
            before = self._rows[row].get(key)
            self._statuses[key] = before.status if before is not None else None
        if row in _GROUP_OF:
            self._regroup(row, key, item)
        rows, changed = self._rows[row], self._changed[row]
        self._journal += ((rows, key, rows.get(key, _MISSING)), (changed, key, changed.get(key, _MISSING)))
        rows[key] = changed[key] = item
        if row in _CONFIG_TYPES:
            self._reconfigured.add(key[0])

    def reconfigure(self, organization_id: str) -> None:
        """Says that something decide() reads changed on the organization's own row."""
        self._reconfigured.add(organization_id)

    def move(self, hold: Hold, periods: Iterable[tuple[str, int]], held: int, spent: int) -> None:
        """Moves every budget period of a hold by these differences, in minor units."""
        for budget_id, start in periods:
            key = (hold.organization_id, budget_id, start)
            before = self._moves.get(key, (0, 0))
            self._set(self._moves, key, (before[0] + held, before[1] + spent))

    def period(self, organization_id: str, budget_id: str, start: int) -> BudgetPeriod:
        """A budget period with what this batch already moved. Raises BrokenCaller when it was not named.

        That of a budget which was not among the loaded ones need not be: nothing was held or spent of it before.
        """
        key = (organization_id, budget_id, start)
        there = self._rows[BudgetPeriod].get(key)
        if there is None and not self._is_new_budget(organization_id, budget_id):
            there = self.get(BudgetPeriod, *key)
        held, spent = self._moves.get(key, (0, 0))
        if there is not None:
            held, spent = there.held + held, there.spent + spent
        return BudgetPeriod(organization_id, budget_id, start, held, spent)

    def record(
        self, organization_id: str, actor: str, action: str, subject: str, body: dict[str, Any], at: int
    ) -> None:
        """Adds an audit record; it is numbered and hashed when the batch is written."""
        self._records.append(AuditDraft(organization_id, actor, action, subject, body, at))

    def promise(self, promise: OutboxPromise) -> None:
        """Promises work to be done after the commit."""
        self.put(promise)

    def finish_event(self, outcome: EventOutcome) -> None:
        """Ends the handling of an inbox row in this commit."""
        self._event_outcomes.append(outcome)

    def finish_promise(self, outcome: PromiseOutcome) -> None:
        """Ends the doing of an outbox row in this commit, or puts it off."""
        self._promise_outcomes.append(outcome)

    def remove(self, removal: Removal) -> None:
        """Takes payloads or contents away in this commit, as far as they still fit, and records how much it was."""
        self._removals.append(removal)

    # What the till calls

    def _is_new_budget(self, organization_id: str, budget_id: str) -> bool:
        """True where budgets of this organization were loaded and this one was not among them."""
        loaded = any(org == organization_id for org, _ in self._groups[(Budget, "scope_id")])
        return loaded and (organization_id, budget_id) not in self._there[Budget]

    def known(self, row: type, key: Any) -> bool:
        """True when this fact is already here, present or absent."""
        return key in self._rows[row]

    def unknown(self, row: type, keys: Iterable[Any]) -> list[Any]:
        """The keys of those that are not."""
        rows = self._rows[row]
        return [key for key in keys if key not in rows]

    def present(self, row: type, keys: Iterable[Any]) -> list[Any]:
        """The rows with these keys that there are. Raises KeyError for a fact that is not here."""
        rows = self._rows[row]
        return [item for key in keys if (item := rows[key]) is not None]

    def known_group(self, row: type, key: Any, column: str | None = None) -> bool:
        """True when this group is already here."""
        return key in self._groups[(row, column or GROUPED_BY[row][0])]

    def take(self, row: type, key: Any, item: Any | None) -> None:
        """Keeps a loaded row, or that there is none; what a command already changed stays."""
        self._rows[row].setdefault(key, item)
        if item is not None:
            self._there[row].setdefault(key, item)

    def take_group(self, row: type, key: Any, items: Iterable[Any], column: str | None = None) -> None:
        """Keeps a loaded group."""
        members = {_KEY_OF[row](item): item for item in items}
        for member, item in members.items():
            self._there[row].setdefault(member, item)
            self._rows[row].setdefault(member, item)
        groups = self._groups[(row, column or GROUPED_BY[row][0])]
        groups.setdefault(key, {member: self._rows[row][member] for member in members})

    def start_command(self, started: float = 0.0) -> None:
        """Marks where the next command begins, for `undo_command`; `started` as `time.monotonic()` tells it."""
        self._end_command()
        self._started = started
        self._journal.clear()
        outcomes = (len(self._event_outcomes), len(self._promise_outcomes), len(self._removals))
        self._mark = (len(self._records), *outcomes)
        self._reconfigured_before = set(self._reconfigured)

    def since(self, moment: float | None) -> int | None:
        """Microseconds from `moment`, as `time.monotonic()` told it, to the start of the command; None for None."""
        return None if moment is None else max(0, round((self._started - moment) * SECOND))

    def changes(self) -> list[tuple[Any, Any]]:
        """Each row that this command changed so far: as it was before, None for a new one, and as it is now."""
        types = {id(rows): row for row, rows in self._rows.items()}
        before: dict[Any, Any] = {}
        for where, key, old in self._journal:
            if (row := types.get(id(where))) is not None:
                before.setdefault((row, key), None if old is _MISSING else old)
        now = ((old, self._rows[row][key]) for (row, key), old in before.items())
        return [(old, new) for old, new in now if old != new]

    def undo_command(self) -> None:
        """Takes back every change since `start_command`."""
        for where, key, old in reversed(self._journal):
            if old is _MISSING:
                del where[key]
            else:
                where[key] = old
        self._journal.clear()
        self._statuses.clear()
        del self._records[self._mark[0] :]
        del self._event_outcomes[self._mark[1] :]
        del self._promise_outcomes[self._mark[2] :]
        del self._removals[self._mark[3] :]
        self._reconfigured = self._reconfigured_before

    def write(self, writer: Writer, clocks: dict[str, int]) -> set[str]:
        """Writes all that changed, audit records with it; returns the organizations whose configuration changed.

        `clocks` says for each locked organization the time its commands ran at; it never goes back.
        """
        self._end_command()
        moves = {key: delta for key, delta in self._moves.items() if delta != (0, 0)}
        if moves:
            self._records += mark_budgets(self, writer, moves, clocks)
        if self._removals:
            self._records += remove(writer, self._removals, clocks)
        self._advance_organizations(clocks)
        for row, changed in self._changed.items():
            if not changed:
                continue
            there = self._there[row]
            new = [item for key, item in changed.items() if key not in there]
            if new:
                writer.write_rows(TABLE_OF[row], new)
            for places, items in by_difference(there, changed).items():
                writer.update_rows(TABLE_OF[row], places, items)
        if moves:
            # Sorted, so that two processes touch the rows in the same order.
            writer.write_rows(tables.budget_periods, sorted((*key, *delta) for key, delta in moves.items()))
        if self._event_outcomes:
            writer.run_many(finish_event(writer.backend), self._event_outcomes)
        if self._promise_outcomes:
            writer.run_many(finish_promise(writer.backend), self._promise_outcomes)
        return self._reconfigured

    def _advance_organizations(self, clocks: dict[str, int]) -> None:
        """Chains the audit records and carries head, clock and configuration version on the organizations' rows."""
        touched = {draft.organization_id for draft in self._records}
        touched |= self._reconfigured | {key[0] for key in self._changed[Organization]}
        heads = {}
        for id in touched:
            organization = self.need(Organization, id)
            heads[id] = (organization.audit_sequence, organization.audit_hash)
        chained = self._changed[AuditRecord]
        for draft in self._records:
            id = draft.organization_id
            sequence, previous = heads[id]
            record = chain_record(draft, sequence + 1, previous)
            chained[(id, sequence + 1)] = record
            heads[id] = (sequence + 1, record.hash)
        for id, (sequence, head) in heads.items():
            organization = self.need(Organization, id)
            version = self._new_config_version() if id in self._reconfigured else organization.config_version
            self._changed[Organization][(id,)] = organization._replace(
                audit_sequence=sequence, audit_hash=head, clock=max(organization.clock, clocks.get(id, 0)),
                config_version=version,
            )  # fmt: skip

    def _end_command(self) -> None:
        """Every status a command changed is on one of its records (P9), which is what notices are read from."""
        for key, was in self._statuses.items():
            purchase = self._rows[Purchase][key]
            if purchase.status != was:
                mark_status(self._records, self._mark[0], purchase, was)
        self._statuses.clear()

    def _regroup(self, row: type, key: Any, item: Any) -> None:
        """Puts a changed row into its groups, and takes it out of those it belonged to before."""
        before = self._rows[row].get(key)
        for column, group_of in _GROUP_OF[row].items():
            groups = self._groups[(row, column)]
            if not groups:
                continue
            new = group_of(item)
            old = group_of(before) if before is not None else new
            if old != new and key in groups.get(old, ()):
                self._journal.append((groups[old], key, groups[old][key]))
                del groups[old][key]
            if new in groups:
                self._set(groups[new], key, item)

    def _set(self, where: dict[Any, Any], key: Any, value: Any) -> None:
        self._journal.append((where, key, where.get(key, _MISSING)))
        where[key] = value


def key_of(row: type, item: tuple[Any, ...]) -> tuple[Any, ...]:
    """The primary key of a row."""
    return _KEY_OF[row](item)


def group_of(row: type, item: tuple[Any, ...], column: str) -> tuple[Any, ...]:
    """The key of the group a row belongs to: (organization, value of the grouping column)."""
    return _GROUP_OF[row][column](item)


def table_of(row: type) -> Table:
    """The table of a row type."""
    return TABLE_OF[row]
