"""Loads the facts a batch of commands needs, with one query for each table, after the locks are held."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from roony.core.agent import Agent, Chain, Organization, Project
from roony.core.approval import Approval
from roony.core.authorization import Authorization
from roony.core.budget import Budget, BudgetPeriod, period_start, task_budgets
from roony.core.card import Card
from roony.core.cardholder import CardholderChoice
from roony.core.connection import Connection
from roony.core.control import Control
from roony.core.finding import ABOUT_AUTHORIZATIONS, ABOUT_TRANSACTIONS, discrepancy_id
from roony.core.ledger import Hold
from roony.core.mandate import Payment
from roony.core.purchase import RECURRING, KeptKey, Purchase, RecentPurchase
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.store.book import GROUPED_BY, Book, group_of, key_of, table_of
from roony.store.linked import MAX_ROUNDS, Node, StripeCardNeed, cards_of, neighbours, rows_at
from roony.store.rows import KnownMerchant
from roony.store.writer import Writer


class Needs(NamedTuple):
    """The facts one command names beforehand.

    `rows` are (row type, key…); naming a purchase, or a card, approval, authorization, kept key, recent purchase or
    discrepancy that leads to one, also brings its card, approval, hold, authorizations, known merchant, agent,
    project, connection and controls, and of a mandate its payments with their holds. `chains` are those whose budgets
    with their current periods are wanted; with `renewals` also those of the mandates found. `groups` are (row type,
    organization, value), and the column where it is not the first of `book.GROUPED_BY`. Without `holds` the command
    never moves what a purchase that is paid once holds, and the hold's row is only there if another command of the
    batch wants it. `linked` are places at which a capture or refund hangs (`linked.Node`): all that hangs together with
    them comes along, with its purchases and what was found about them, and so does the purchase of each of
    `stripe_cards`.
    """

    rows: tuple[tuple[Any, ...], ...] = ()
    stripe_cards: tuple[StripeCardNeed, ...] = ()
    chains: tuple[Chain, ...] = ()
    groups: tuple[tuple[type, str, str] | tuple[type, str, str, str], ...] = ()
    holds: bool = True
    linked: tuple[Node, ...] = ()
    renewals: bool = False


# Rows that lead to a purchase.
_LEADS = (KeptKey, RecentPurchase, Card, Approval, Authorization, StripeTransaction, Discrepancy)
# Rows kept in memory while the organization's config_version is unchanged.
_CONFIG = (Agent, Project, Connection, Control, CardholderChoice)
# Organizations whose configuration is kept in memory at the same time, and rows for each and for all together.
MAX_CACHED_ORGANIZATIONS = 2_000
MAX_CACHED_ROWS = 20_000
MAX_ALL_CACHED_ROWS = 100_000


class ConfigCache:
    """Agents, projects, connections, controls and budgets as of one config_version of their organization."""

    def __init__(self) -> None:
        """Empty; filled by the loader."""
        # The one used longest ago first: it makes room for others.
        self._kept: OrderedDict[str, tuple[str, dict[Any, Any]]] = OrderedDict()
        # Rows of each when it was last used, and their sum.
        self._rows: dict[str, int] = {}
        self._all_rows = 0

    def of(self, organization: Organization) -> dict[Any, Any]:
        """What is kept of this organization; empty after its config_version changed."""
        kept = self._kept.pop(organization.id, None)
        if kept is None or kept[0] != organization.config_version or len(kept[1]) >= MAX_CACHED_ROWS:
            kept = (organization.config_version, {})
        self._count(organization.id, len(kept[1]))
        while self._kept and (len(self._kept) >= MAX_CACHED_ORGANIZATIONS or self._all_rows >= MAX_ALL_CACHED_ROWS):
            given_up, _ = self._kept.popitem(last=False)
            self._all_rows -= self._rows.pop(given_up)
        self._kept[organization.id] = kept
        return kept[1]

    def drop(self) -> None:
        """Forgets everything; after a failed write nothing in memory is trusted."""
        self._kept.clear()
        self._rows.clear()
        self._all_rows = 0

    def _count(self, organization_id: str, rows: int) -> None:
        self._all_rows += rows - self._rows.get(organization_id, 0)
        self._rows[organization_id] = rows


class FactLoader:
    """Brings the facts of a batch into a book."""

    def __init__(self, writer: Writer, cache: ConfigCache) -> None:
        """Reads on the writing connection, so that what is read is what the locks protect."""
        self._writer = writer
        self._cache = cache

    def load(
        self, book: Book, organizations: Iterable[Organization], needs: Sequence[Needs], clocks: dict[str, int]
    ) -> None:
        """Loads in passes: what leads to purchases, purchases with what belongs to them, then budgets of chains."""
        kept = {}
        for organization in organizations:
            book.take(Organization, (organization.id,), organization)
            kept[organization.id] = self._cache.of(organization)
        self._kept = kept
        wanted: dict[type, set[Any]] = {}
        for need in needs:
            for row, *key in need.rows:
                wanted.setdefault(row, set()).add(tuple(key))
        purchases = wanted.pop(Purchase, set())
        for row in _LEADS:
            rows = self._load(book, row, wanted.pop(row, set()))
            purchases |= self._purchases_of(rows)
            if row is RecentPurchase:
                purchases |= {(recent.organization_id, id) for recent in rows for id, _ in recent.all}
        purchases |= self._load_stripe_cards(book, {card for need in needs for card in need.stripe_cards})
        linked = self._load_linked(book, needs)
        found = self._load_purchases(book, purchases | linked, any(need.holds for need in needs))
        self._load_findings(book, {key for key in linked if book.get(Purchase, *key) is not None})
        if found:
            # With what asks of the batch compare, so that it stays one query.
            merchants = wanted.setdefault(KnownMerchant, set())
            merchants.update((purchase.organization_id, purchase.merchant_key) for purchase in found)
        for row, keys in wanted.items():
            self._load(book, row, keys)
        for row, columns in GROUPED_BY.items():
            wanted_groups = [group for need in needs for group in need.groups if group[0] is row]
            for column in columns if wanted_groups else ():
                keys_of = {group[1:3] for group in wanted_groups if (group[3:] or columns[:1]) == (column,)}
                self._load_group(book, row, column, keys_of)
        chains = {chain for need in needs for chain in need.chains}
        if any(need.renewals for need in needs):
            chains |= {p.chain for p in found if p.kind == RECURRING}
        self._load_chains(book, chains, clocks)

    def _load(self, book: Book, row: type, keys: Collection[Any]) -> list[Any]:
        """Rows by primary key; absent ones are kept as absent. Returns the present ones."""
        if not keys:
            return []
        missing = book.unknown(row, keys)
        if missing and row in _CONFIG:
            missing = self._from_cache(book, row, missing)
        if missing:
            table = table_of(row)
            found = {key_of(row, item): item for item in self._writer.rows_by(table, tuple(table.info["key"]), missing)}
            for key in missing:
                book.take(row, key, found.get(key))
                if row in _CONFIG:
                    self._kept[key[0]][(row, key)] = found.get(key)
        return book.present(row, keys)

    def _from_cache(self, book: Book, row: type, keys: list[Any]) -> list[Any]:
        missing = []
        for key in keys:
            kept = self._kept.get(key[0])
            if kept is None:
                # No such organization: then it has no such row either.
                book.take(row, key, None)
            elif (row, key) in kept:
                book.take(row, key, kept[(row, key)])
            else:
                missing.append(key)
        return missing

    def _load_group(self, book: Book, row: type, column: str, keys: Iterable[Any]) -> None:
        """All rows of each (organization, value) group."""
        missing = [key for key in keys if not book.known_group(row, key, column)]
        if row is Budget:
            for key in list(missing):
                kept = self._kept.get(key[0], {})
                if (row, key) in kept:
                    book.take_group(row, key, kept[(row, key)])
                    missing.remove(key)
        if not missing:
            return
        groups: dict[Any, list[Any]] = {key: [] for key in missing}
        for item in self._writer.rows_by(table_of(row), ("organization_id", column), missing):
            groups[group_of(row, item, column)].append(item)
        for key, items in groups.items():
            book.take_group(row, key, items, column)
            if row is Budget and key[0] in self._kept:
                self._kept[key[0]][(row, key)] = items

    @staticmethod
    def _purchases_of(rows: Iterable[Any]) -> set[Any]:
        return {(row.organization_id, row.purchase_id) for row in rows if row.purchase_id is not None}

    def _load_stripe_cards(self, book: Book, needs: set[StripeCardNeed]) -> set[Any]:
        if not needs:
            return set()
        cards = self._writer.rows_by(
            table_of(Card), ("organization_id", "connection_id", "stripe_card_id"), list(needs)
        )
        found = {StripeCardNeed(card.organization_id, card.connection_id, card.stripe_card_id): card for card in cards}
        for card in cards:
            book.take(Card, (card.organization_id, card.id), card)
        for need in needs:
            book.stripe_cards[need] = found[need].id if need in found else None
        return self._purchases_of(cards)

    def _load_linked(self, book: Book, needs: Sequence[Needs]) -> set[Any]:
        """All captures and refunds that hang together with what commands named; returns the keys of their purchases."""
        asking = [need for need in needs if need.linked]
        nodes = {node for need in asking for node in need.linked}
        for card in {card for need in asking for card in need.stripe_cards}:
            card_id = book.stripe_cards[card]
            if card_id is not None:
                nodes.add(Node(card[0], "purchase_id", book.need(Card, card[0], card_id).purchase_id))
        seen: set[Node] = set()
        for _ in range(MAX_ROUNDS):
            new = nodes - seen
            if not new:
                break
            seen |= new
            for column in GROUPED_BY[StripeTransaction]:
                keys = {(node.organization_id, node.value) for node in new if node.column == column}
                self._load_group(book, StripeTransaction, column, keys)
            rows = rows_at(book, new)
            self._load_stripe_cards(book, cards_of(rows) - book.stripe_cards.keys())
            nodes = neighbours(book, rows)
        return {(node.organization_id, node.value) for node in seen if node.column == "purchase_id"}

    def _load_findings(self, book: Book, purchases: set[Any]) -> None:
        """What was found before about the authorizations, captures and refunds of these purchases."""
        subjects: set[tuple[str, str, str]] = set()
        for org, id in purchases:
            subjects |= {(org, kind, a.id) for a in book.group(Authorization, org, id) for kind in ABOUT_AUTHORIZATIONS}
        for row in book.all_of(StripeTransaction):
            subjects |= {(row.organization_id, kind, row.id) for kind in ABOUT_TRANSACTIONS}
        self._load(book, Discrepancy, {(org, discrepancy_id(kind, subject)) for org, kind, subject in subjects})

    def _load_purchases(self, book: Book, keys: set[Any], holds: bool) -> list[Purchase]:
        """Purchases with their cards, approvals, holds, authorizations, and the people and rules above them."""
        if not keys:
            return []
        found: list[Purchase] = self._load(book, Purchase, keys)
        self._load(book, Card, {(p.organization_id, p.card_id) for p in found if p.card_id})
        self._load(book, Approval, {(p.organization_id, p.approval_id) for p in found if p.approval_id})
        if holds:
            self._load(book, Hold, {(p.organization_id, p.hold_id) for p in found if p.hold_id})
        self._load_payments(book, [purchase for purchase in found if purchase.kind == RECURRING])
        self._load_group(book, Authorization, "purchase_id", {(p.organization_id, p.id) for p in found})
        # Few chains stand above many purchases: each is looked at once.
        above = {(p.organization_id, p.project_id, p.agent_id, p.connection_id) for p in found}
        self._load(book, Agent, {(org, agent) for org, _, agent, _ in above})
        self._load(book, Project, {(org, project) for org, project, _, _ in above})
        self._load(book, Connection, {(org, connection) for org, _, _, connection in above})
        chains = {p.chain for p in found}
        self._load(book, Control, {(chain.organization_id, id) for chain in chains for _, id in chain.scopes})
        return found

    def _load_payments(self, book: Book, mandates: list[Purchase]) -> None:
        """The payments of mandates, each with its hold. Purchases that are paid once cost no query here."""
        if not mandates:
            return
        keys = {(p.organization_id, p.id) for p in mandates}
        self._load_group(book, Payment, "purchase_id", keys)
        holds = {(org, payment.hold_id) for org, id in keys for payment in book.group(Payment, org, id)}
        self._load(book, Hold, holds)

    def _load_chains(self, book: Book, chains: set[Chain], clocks: dict[str, int]) -> None:
        """For asks: agent, project, connection, controls and budgets of each chain, with the periods of now."""
        if not chains:
            return
        self._load(book, Agent, {(org, agent) for org, _, agent, _ in chains})
        self._load(book, Project, {(org, project) for org, project, _, _ in chains})
        scopes = {(chain.organization_id, id) for chain in chains for _, id in chain.scopes}
        self._load(book, Control, scopes)
        self._load(
            book, CardholderChoice, {(org, scope) for org, project, agent, _ in chains for scope in (agent, project)}
        )
        self._load_group(book, Budget, "scope_id", scopes)
        connections = set()
        for org in {chain.organization_id for chain in chains}:
            organization = book.get(Organization, org) if book.known(Organization, (org,)) else None
            if organization is not None and organization.connection_id:
                connections.add((org, organization.connection_id))
        self._load(book, Connection, connections)
        periods = set()
        for chain in chains:
            now = clocks.get(chain.organization_id, 0)
            for budget in budgets_above(book, chain):
                start = period_start(budget.period, budget.time_zone, now)
                periods.add((chain.organization_id, budget.id, start))
        self._load(book, BudgetPeriod, periods)


def budgets_above(book: Book, chain: Chain) -> list[Budget]:
    """Every budget that a purchase of this chain draws on, narrowest scope first; the chain was named beforehand.

    Those of the task have the limits that hold for it; what names no task draws on the envelope's own.
    """
    org = chain.organization_id
    found = book.group(Budget, org, chain.envelope)
    if chain.task_scope is not None:
        found = task_budgets(chain.task_scope, book.group(Budget, org, chain.task_scope), found)
    for scope_id in (chain.agent_id, chain.project_id, org):
        found += book.group(Budget, org, scope_id)
    return found
