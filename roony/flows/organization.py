"""Organizations, projects and agents: made with budgets, controls and keys in one commit, and changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite

from roony.core.agent import UNKNOWN_CARDS, Agent, Organization, Project
from roony.core.audit import GENESIS, AuditDraft, AuditRecord, chain_record
from roony.core.budget import is_time_zone
from roony.core.cardholder import Cardholder, changed_fields
from roony.core.confirmation import OTHER_CARDS, Confirmation, confirmed, unconfirmed
from roony.core.connection import Connection, lift, restrictions_of
from roony.core.control import DELIVERIES, Control
from roony.core.errors import Refusal, not_found
from roony.core.loosening import may_confirm, wants_two
from roony.core.money import CARD_CURRENCIES
from roony.core.user import User
from roony.flows.access_key import NewKey, described, key_row
from roony.flows.cardholder_choice import check_cardholder, tell_stripe
from roony.flows.connection.restriction import follow_restrictions, restriction_rows
from roony.flows.context import FlowContext
from roony.flows.limits import Limit, check_limits, new_budgets, new_control, version_of
from roony.flows.organization_settings import cardholder_of, settings_of, with_patterns, with_settings
from roony.store import tables
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.database import INSTALLATION_ROW
from roony.store.facts import Needs
from roony.store.queries.connections import standing_connections
from roony.store.writer import Writer

# The row that carries the chain of records of no organization; never overwritten.
_INSTALL: dict[str, Insert] = {
    "sqlite": sqlite.insert(tables.organizations).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(tables.organizations).on_conflict_do_nothing(),
}


@dataclass(frozen=True, slots=True)
class NewOrganization:
    """An organization that is to be made, with its first project. Budgets and controls are those of the whole of it.

    `owner` is what the record says of the person who begins it.
    `currency` is the card currency of all its purchases; it and `time_zone` can never be changed (section 4).
    """

    id: str
    name: str
    project_id: str
    actor: str
    currency: str = "usd"
    time_zone: str = "UTC"
    project_name: str = "Default"
    unknown_cards: str = "decline"
    delivery: str = "sealed"
    unbudgeted: bool = False
    budgets: tuple[Limit, ...] = ()
    controls: Mapping[str, Any] = field(default_factory=dict)
    admin_key: NewKey | None = None
    owner: Mapping[str, str] | None = None


def create_organization(new: NewOrganization, now: int) -> Callable[[Writer], Organization | Refusal]:
    """A write for `till.write` that makes an organization; `now` in microseconds UTC.

    It is no command, because a row that does not exist cannot be locked. What it writes is the same as a command's:
    all rows and the first audit record of the organization's own chain, in one commit. A second call changes nothing.
    """

    def work(writer: Writer) -> Organization | Refusal:
        wrong = _check(new)
        if wrong is not None:
            return wrong
        present = writer.rows_by(tables.organizations, ("id",), [(new.id,)])
        if present:
            return Organization(*present[0])
        control = new_control(new.id, "organization", new.id, new.controls, 1, now)
        if isinstance(control, Refusal):
            return control
        # From here it must succeed: only writes below.
        writer.execute(_INSTALL[writer.backend], **INSTALLATION_ROW._asdict())
        organization, record = _rows_of(new, control, now)
        writer.write_rows(tables.organizations, [organization])
        writer.write_rows(tables.projects, [Project(new.id, new.project_id, new.project_name, None, now)])
        writer.write_rows(
            tables.budgets,
            [
                *new_budgets(organization, "organization", new.id, new.budgets, now),
                *new_budgets(organization, "project", new.project_id, (), now),
            ],
        )
        if new.controls:
            writer.write_rows(tables.controls, [control])
            writer.write_rows(tables.control_versions, [version_of(control, new.actor)])
        if new.admin_key is not None:
            writer.write_rows(tables.access_keys, [key_row(new.admin_key, new.id, None, now)])
        writer.write_rows(tables.audit_records, [record])
        return organization

    return work


def _check(new: NewOrganization) -> Refusal | None:
    if new.currency not in CARD_CURRENCIES:
        return _invalid("currency", f"Cards are made in: {', '.join(sorted(CARD_CURRENCIES))}.")
    if not is_time_zone(new.time_zone):
        return _invalid("time_zone", 'It must be a name like "Europe/Prague" from the IANA time zone database.')
    return _check_settings(new.unknown_cards, new.delivery) or check_limits(new.budgets)


def _check_settings(unknown_cards: str, delivery: str) -> Refusal | None:
    if unknown_cards not in UNKNOWN_CARDS:
        return _invalid("unknown_cards", f"It must be one of: {', '.join(UNKNOWN_CARDS)}.")
    if delivery not in DELIVERIES:
        return _invalid("delivery", f"It must be one of: {', '.join(DELIVERIES)}.")
    return None


def _invalid(field_name: str, message: str) -> Refusal:
    return Refusal("invalid", message, 422, field_name)


def _rows_of(new: NewOrganization, control: Control, now: int) -> tuple[Organization, AuditRecord]:
    """The organization with its chain begun, and the record that begins it."""
    organization = Organization(
        id=new.id,
        name=new.name,
        currency=new.currency,
        time_zone=new.time_zone,
        connection_id=None,
        frozen_at=None,
        unknown_cards=new.unknown_cards,
        delivery=new.delivery,
        unbudgeted=int(new.unbudgeted),
        settings="{}",
        config_version="0",
        audit_sequence=0,
        audit_hash=GENESIS,
        clock=now,
        created_at=now,
    )
    body = {
        **settings_of(organization),
        "currency": new.currency,
        "time_zone": new.time_zone,
        "project": new.project_id,
        "budgets": [list(limit) for limit in new.budgets],
        "controls": json.loads(control.fields),
        "admin_key": new.admin_key.id if new.admin_key else None,
        **({"owner": dict(new.owner)} if new.owner else {}),
    }
    record = chain_record(AuditDraft(new.id, new.actor, "organization.created", new.id, body, now), 1, GENESIS)
    return organization._replace(audit_sequence=1, audit_hash=record.hash), record


@dataclass(frozen=True, slots=True)
class UpdateOrganization(Command[Organization | Refusal]):
    """Changes settings of an organization; None leaves one as it is. Currency and time zone are fixed.

    A `cardholder` is in Stripe's shape; one that is at Stripe already is changed there, by a promise. To name
    `unknown_cards`, be it what they are already, is the owner's choice; the connections `undecided` waited for it.
    Of `patterns`, what is left out stays.
    """

    can_wait = True

    organization_id: str
    actor: str
    name: str | None = None
    unknown_cards: str | None = None
    delivery: str | None = None
    unbudgeted: bool | None = None
    cardholder: Mapping[str, Any] | None = None
    undecided: tuple[str, ...] = ()
    promise_id: str = ""
    low_balance_amount: int | None = None
    patterns: Mapping[str, Any] | None = None
    two_people: bool | None = None

    def needs(self, now: int) -> Needs:
        """What was chosen for other cards, the connections that wait for it, and the cardholders there are."""
        org = self.organization_id
        rows = [row for id in self.undecided for row in restriction_rows(org, id)]
        groups = ((Cardholder, org, org),) if self.cardholder is not None else ()
        people = ((User, org, org),) if self.two_people else ()
        return Needs(rows=((Confirmation, org, org, OTHER_CARDS), *rows), groups=(*groups, *people))

    def apply(self, book: Book, now: int) -> Organization | Refusal:
        """Counts from the next batch on in every process, since the configuration version is renewed."""
        before = book.need(Organization, self.organization_id)
        patterns = with_patterns(before.settings, self.patterns)
        if isinstance(patterns, Refusal):
            return patterns
        given = {
            "name": self.name,
            "unknown_cards": self.unknown_cards,
            "delivery": self.delivery,
            "unbudgeted": None if self.unbudgeted is None else int(self.unbudgeted),
            "settings": with_settings(
                before.settings, self.cardholder, self.low_balance_amount, patterns, self.two_people
            ),
        }
        after = before._replace(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        wrong = _check_settings(after.unknown_cards, after.delivery) or self._alone(book)
        if wrong is None and self.cardholder is not None:
            wrong = check_cardholder(book, after, after.id, self.cardholder, now)
        if wrong is not None:
            return wrong
        if self.unknown_cards is not None:
            self._choose(book, self.unknown_cards, now)
        if after == before:
            return before
        book.put(after)
        book.reconfigure(self.organization_id)
        if self.cardholder is not None and after.settings != before.settings:
            tell_stripe(book, after, after.id, self.cardholder, self.promise_id, now)
        org, changed = self.organization_id, changed_fields(cardholder_of(before), cardholder_of(after))
        body = {"before": settings_of(before), "after": settings_of(after), "cardholder_changed": changed}
        book.record(org, self.actor, "organization.updated", org, body, now)
        return after

    def _alone(self, book: Book) -> Refusal | None:
        """Where two people are wanted, two have to be there."""
        if not self.two_people or sum(may_confirm(user) for user in book.group(User, *[self.organization_id] * 2)) > 1:
            return None
        message = "There have to be two users with the role admin or owner first: one changes, another one confirms."
        return Refusal("one_person_only", message, 409, "two_people")

    def _choose(self, book: Book, value: str, now: int) -> None:
        """Who chose what becomes of payments with cards Roony did not make; connections that waited go on."""
        org = self.organization_id
        row = book.get(Confirmation, org, org, OTHER_CARDS) or unconfirmed(org, org, OTHER_CARDS, now)
        if row.value != value:
            book.put(confirmed(row, value, self.actor, now))
            book.record(org, self.actor, "organization.unknown_cards_chosen", org, {"unknown_cards": value}, now)
        for id in self.undecided:
            connection = book.get(Connection, org, id)
            if connection is not None:
                after = lift(connection, ("other_cards_undecided",))
                follow_restrictions(book, connection, after, self.actor, now)


async def choose_unknown_cards(
    context: FlowContext, organization_id: str, value: str, actor: str, by: Authority | None = None
) -> Organization | Refusal:
    """The owner says what becomes of payments with cards Roony did not make, for all accounts of the organization."""
    waiting = await undecided(context, organization_id)
    command = UpdateOrganization(organization_id, actor, unknown_cards=value, undecided=waiting)
    return await context.till.submit(command, by=by)


async def undecided(context: FlowContext, organization_id: str) -> tuple[str, ...]:
    """The ids of the connections that wait for that choice."""
    rows = await asyncio.to_thread(standing_connections, context.database, organization_id)
    return tuple(row.id for row in rows if "other_cards_undecided" in {item.code for item in restrictions_of(row)})


@dataclass(frozen=True, slots=True)
class CreateProject(Command[Project | Refusal]):
    """A project with its budgets (four in the organization's currency, limited where `budgets` say so)."""

    can_wait = True

    organization_id: str
    project_id: str
    name: str
    actor: str
    budgets: tuple[Limit, ...] = ()
    controls: Mapping[str, Any] = field(default_factory=dict)

    def needs(self, now: int) -> Needs:
        """Whether the id is still free."""
        return Needs(rows=((Project, self.organization_id, self.project_id),))

    def apply(self, book: Book, now: int) -> Project | Refusal:
        """Making it twice gives the one that is there."""
        present = book.get(Project, self.organization_id, self.project_id)
        if present is not None:
            return present
        wrong = check_limits(self.budgets)
        control = new_control(self.organization_id, "project", self.project_id, self.controls, 1, now)
        if wrong is not None or isinstance(control, Refusal):
            return wrong or control  # type: ignore[return-value]
        project = Project(self.organization_id, self.project_id, self.name, None, now)
        book.put(project)
        _put_limits(book, self.budgets, control, self.actor, now)
        book.record(
            self.organization_id,
            self.actor,
            "project.created",
            project.id,
            {
                "name": self.name,
                "budgets": [list(limit) for limit in self.budgets],
                "controls": json.loads(control.fields),
            },
            now,
        )
        return project


@dataclass(frozen=True, slots=True)
class CreateAgent(Command[Agent | Refusal]):
    """An agent in a project, with budgets, controls and its first key, if it gets one with it.

    `project_ids` are more projects it may name.
    """

    organization_id: str
    agent_id: str
    project_id: str
    name: str
    description: str
    key: NewKey | None
    actor: str
    project_ids: tuple[str, ...] = ()
    budgets: tuple[Limit, ...] = ()
    controls: Mapping[str, Any] = field(default_factory=dict)

    def needs(self, now: int) -> Needs:
        """The projects, and whether the id is still free."""
        projects = tuple((Project, self.organization_id, id) for id in (self.project_id, *self.project_ids))
        return Needs(rows=((Agent, self.organization_id, self.agent_id), *projects))

    def apply(self, book: Book, now: int) -> Agent | Refusal:
        """1 check projects, limits and controls · 2 agent, budgets, controls, key."""
        if book.get(Agent, self.organization_id, self.agent_id) is not None:
            return Refusal("already_exists", "There is an agent of this id.", 409, id=self.agent_id)
        for name, id in (("project_id", self.project_id), *(("project_ids", id) for id in self.project_ids)):
            if book.get(Project, self.organization_id, id) is None:
                return not_found("project", id, name)
        wrong = check_limits(self.budgets)
        control = new_control(self.organization_id, "agent", self.agent_id, self.controls, 1, now)
        if wrong is not None or isinstance(control, Refusal):
            return wrong or control  # type: ignore[return-value]
        # From here it must succeed: only writes below.
        agent = Agent(
            self.organization_id,
            self.agent_id,
            self.project_id,
            json.dumps(list(dict.fromkeys((self.project_id, *self.project_ids)))),
            self.name,
            self.description,
            # Where two people are wanted for looser rules, one of them makes it and another one lets it begin.
            now if wants_two(book.need(Organization, self.organization_id).settings) else None,
            None,
            now,
        )
        book.put(agent)
        _put_limits(book, self.budgets, control, self.actor, now)
        key = key_row(self.key, self.organization_id, agent.id, now) if self.key is not None else None
        if key is not None:
            book.put(key)
        book.record(
            self.organization_id,
            self.actor,
            "agent.created",
            agent.id,
            {
                "name": self.name,
                "project": self.project_id,
                "projects": json.loads(agent.project_ids),
                "budgets": [list(limit) for limit in self.budgets],
                "controls": json.loads(control.fields),
                "key": {"id": key.id, **described(key)} if key is not None else None,
                **({"frozen": True} if agent.frozen_at is not None else {}),
            },
            now,
        )
        return agent


def _put_limits(book: Book, limits: tuple[Limit, ...], control: Control, actor: str, now: int) -> None:
    organization = book.need(Organization, control.organization_id)
    for budget in new_budgets(organization, control.scope, control.scope_id, limits, now):
        book.put(budget)
    if control.fields != "{}":
        book.put(control)
        book.put(version_of(control, actor))
