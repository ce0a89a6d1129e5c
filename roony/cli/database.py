"""`roony init` and `roony migrate`: the commands that open the database themselves, while no server does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import typer

from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, print_json

if TYPE_CHECKING:
    from roony.clock import Clock
    from roony.store.database import Database
    from roony.store.till import Till

# Whoever runs a command here, in audit records.
OPERATOR = "roony init"
OLDER_SCHEMA = "The database has an older schema. Next: roony migrate"
# Organizations a refusal names.
MAX_NAMED = 20


@contextmanager
def settings_database() -> Iterator[Database]:
    """The database of the settings, not opened yet. Ends the command with a sentence when the settings are wrong."""
    from roony.config import WrongSettings, load_database_settings
    from roony.logging_setup import configure_logging
    from roony.store.database import Database

    try:
        settings = load_database_settings()
    except WrongSettings as error:
        fail(str(error), WRONG_USE)
    configure_logging(settings.roony_log_format)
    database = Database(settings.roony_database_url)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened_database() -> Iterator[Database]:
    """The database under its lock. Ends the command with a sentence when it cannot be had."""
    from sqlalchemy.exc import DBAPIError

    from roony.store.database import DatabaseLocked, why_failed
    from roony.store.migrations import SchemaBusy, SchemaTooNew

    with settings_database() as database:
        try:
            database.acquire()
            yield database
        except (DatabaseLocked, SchemaBusy) as error:
            fail(str(error), FAILED, "database_in_use")
        except SchemaTooNew as error:
            fail(str(error), FAILED, "wrong_schema")
        except (DBAPIError, OSError) as error:
            why = why_failed(error)
            fail(f"The database cannot be opened ({why}): look at ROONY_DATABASE_URL.", FAILED, "database_away")


def migrate(as_json: bool = JsonOption) -> None:
    """Bring the database to the newest schema. Run it before a newer Roony starts on PostgreSQL."""
    from roony.store import migrations

    with opened_database() as database:
        done = migrations.migrate(database)
    if as_json:
        print_json({"revisions": done})
        return
    typer.echo(f"Migrated to {done[-1]}." if done else "The schema is up to date; nothing was changed.")


class OrganizationWish(NamedTuple):
    """The organization `init` makes."""

    name: str
    currency: str
    time_zone: str
    delivery: str


class FirstOrganization(NamedTuple):
    """What `init` made; the key is known only here."""

    organization_id: str
    project_id: str
    admin_key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"FirstOrganization({self.organization_id})"


class NotMade(Exception):
    """The organization could not be made; `code` is the exit code that fits."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def has_organization(database: Database) -> bool:
    """Whether anybody can do anything here yet."""
    from sqlalchemy import select

    from roony.core.audit import INSTALLATION
    from roony.store.tables import organizations

    return bool(database.read(select(organizations.c.id).where(organizations.c.id != INSTALLATION).limit(1)))


def make_first_organization(database: Database, wish: OrganizationWish) -> FirstOrganization:
    """Migrates an acquired database and makes its first organization. Raises NotMade when there is one already."""
    from roony.core.errors import Refusal
    from roony.flows.access_key import new_key
    from roony.flows.organization import NewOrganization, create_organization
    from roony.identifiers import new_id
    from roony.store import migrations

    migrations.migrate(database)
    if has_organization(database):
        raise NotMade("This database already has an organization; nothing was changed. Next: roony serve", FAILED)
    key = new_key("admin", new_id("key"), "first admin key")
    new = NewOrganization(id=new_id("org"), project_id=new_id("prj"), actor=OPERATOR, admin_key=key, **wish._asdict())
    with own_till(database) as (till, clock):
        made = till.write_and_wait(create_organization(new, clock()))
    if isinstance(made, Refusal):
        raise NotMade(f"{made.field}: {made.message}", WRONG_USE)
    return FirstOrganization(made.id, new.project_id, key.text)


@contextmanager
def own_till(database: Database) -> Iterator[tuple[Till, Clock]]:
    """A till of this command's own, and its clock."""
    from roony.clock import Clock
    from roony.identifiers import new_version
    from roony.store.till import Till

    clock = Clock()
    till = Till(database.open_writer, clock, new_version)
    till.start()
    try:
        yield till, clock
    finally:
        till.stop()


class NewOwnerKey(NamedTuple):
    """What `init --new-key` made; the key is known only here."""

    organization_id: str
    key_id: str
    admin_key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"NewOwnerKey({self.organization_id}, {self.key_id})"


def make_owner_key(database: Database, organization_id: str | None) -> NewOwnerKey:
    """Makes one more key of an owner's program on an acquired database: the way back in when nobody has a good one.

    Whoever can write the database may do that: nothing here asks for a key. It is audited as the operator's doing.
    `organization_id` may be left out where there is one only. Raises NotMade, and nothing is changed.
    """
    from roony.core.errors import Refusal
    from roony.flows.access_key import CreateAccessKey, new_key
    from roony.identifiers import new_id

    org = _organization(database, organization_id)
    key = new_key("admin", new_id("key"), "made by roony init --new-key")
    with own_till(database) as (till, _clock):
        made = till.submit_and_wait(CreateAccessKey(org, key, OPERATOR))
    if isinstance(made, Refusal):
        raise NotMade(made.message, FAILED)
    return NewOwnerKey(org, made.id, key.text)


def _organization(database: Database, wanted: str | None) -> str:
    """The organization a key is made for. Raises NotMade."""
    from sqlalchemy import select

    from roony.core.audit import INSTALLATION
    from roony.store import migrations
    from roony.store.tables import organizations

    pending = migrations.pending_revisions(database)
    if pending and pending != migrations.revisions():
        raise NotMade(OLDER_SCHEMA, FAILED)
    # The first few say that one has to be named.
    statement = select(organizations.c.id).where(organizations.c.id != INSTALLATION).order_by(organizations.c.id)
    if wanted is not None:
        statement = statement.where(organizations.c.id == wanted)
    ids = [row[0] for row in database.read(statement.limit(MAX_NAMED))] if not pending else []
    if not ids and wanted is not None:
        raise NotMade(f"There is no organization {wanted} in this database.", WRONG_USE)
    if not ids:
        raise NotMade("There is no organization in this database yet. Next: roony init", FAILED)
    if len(ids) > 1:
        raise NotMade(f"Say for which organization with --organization: {', '.join(ids)}", WRONG_USE)
    return str(ids[0])


def _init_again(organization_id: str | None, as_json: bool) -> None:
    from roony.cli.local_key import keep_local_key

    with opened_database() as database:
        try:
            made = make_owner_key(database, organization_id)
        except NotMade as error:
            fail(str(error), error.code)
        file = keep_local_key(str(database.url), made.admin_key)
    if as_json:
        print_json(made._asdict())
        return
    typer.echo(f"Admin key    {made.admin_key}")
    typer.echo(f"It is {made.key_id} of {made.organization_id}, shown this once. Keys there were stay as they are.")
    if file is not None:
        typer.echo(f"A copy for commands on this machine lies in {file}.")
    typer.echo("Next: roony serve, then roony admin-key list and roony admin-key revoke key_… for what is lost")


def _one_person(organization_id: str | None, as_json: bool) -> None:
    """The way out when the second person is gone: rules may be loosened by one again."""
    from roony.core.errors import Refusal
    from roony.flows.organization import UpdateOrganization

    with opened_database() as database:
        try:
            org = _organization(database, organization_id)
        except NotMade as error:
            fail(str(error), error.code)
        with own_till(database) as (till, _clock):
            done = till.submit_and_wait(UpdateOrganization(org, OPERATOR, two_people=False))
    if isinstance(done, Refusal):
        fail(done.message, FAILED)
    if as_json:
        print_json({"organization_id": org, "two_people": False})
        return
    typer.echo(f"One person may loosen the rules of {org}. What waited still waits, and may be confirmed or withdrawn.")


def _new_signing_key(as_json: bool) -> None:
    """One more key that signs audit checkpoints. Whoever can write the database and has the secret keys may do it."""
    from roony.cli.keys import sealing_keys
    from roony.core.errors import Refusal
    from roony.flows.checkpoint import add_signing_key_here
    from roony.store import migrations

    vault = sealing_keys()
    with opened_database() as database:
        pending = migrations.pending_revisions(database)
        if pending and pending != migrations.revisions():
            fail(OLDER_SCHEMA, FAILED, "wrong_schema")
        if pending or not has_organization(database):
            fail("There is no organization in this database yet. Next: roony init", FAILED)
        with own_till(database) as (till, clock):
            made = add_signing_key_here(database, till, vault, clock(), OPERATOR)
    if isinstance(made, Refusal):
        fail(made.message, FAILED)
    if as_json:
        print_json({"id": made.id, "public_key": made.public_key})
        return
    typer.echo(f"{made.id} signs from now on. Public key: {made.public_key}")
    typer.echo("Keep it somewhere else, and give it to every organization: what was signed stays as it is.")


def init(
    name: str = typer.Option("My company", help="Name of the organization."),
    currency: str = typer.Option("usd", help="Currency of its cards: usd, eur or gbp."),
    time_zone: str = typer.Option("UTC", help='Time zone its budgets count in, such as "Europe/Prague".'),
    delivery: str = typer.Option("sealed", help="How agents get card details: sealed, reveal or raw."),
    new_key: bool = typer.Option(False, "--new-key", help="Only one more owner's key, when nobody has a good one."),
    organization: str | None = typer.Option(None, help="Whose new key, where there are several organizations."),
    new_signing_key: bool = typer.Option(False, "--new-signing-key", help="Only a new key that signs audit chains."),
    one_person: bool = typer.Option(False, "--one-person", help="Only let one person loosen rules again."),
    as_json: bool = JsonOption,
) -> None:
    """Make the organization and its first admin key on a fresh database. The key is printed this once.

    With --new-key the organization is there already and gets one more key, whatever became of the others: no server
    may run on a SQLite database meanwhile. With --new-signing-key the audit chains of all organizations are signed with
    a new key from now on, sealed with the first of ROONY_SECRET_KEYS; with --one-person no second person
    is wanted any more for looser rules.
    """
    from roony.cli.local_key import keep_local_key

    if one_person:
        _one_person(organization, as_json)
        return
    if new_signing_key:
        _new_signing_key(as_json)
        return
    if new_key:
        _init_again(organization, as_json)
        return

    with opened_database() as database:
        try:
            made = make_first_organization(database, OrganizationWish(name, currency, time_zone, delivery))
        except NotMade as error:
            fail(str(error), error.code)
        file = keep_local_key(str(database.url), made.admin_key)
    if as_json:
        print_json(made._asdict())
        _tell_of_delivery(delivery)
        return
    typer.echo(f"Organization {made.organization_id} ({name})")
    typer.echo(f"Admin key    {made.admin_key}")
    typer.echo("The key is shown this once.")
    if file is not None:
        typer.echo(f"A copy for commands on this machine lies in {file}.")
    _tell_of_delivery(delivery)
    # Beside a PostgreSQL there is no place for a copy: commands need to be given the key.
    typer.echo("Next: roony serve" if file is not None else "Next: export ROONY_ADMIN_KEY=… with this key; roony serve")


_NEEDED = {
    "sealed": "Card details are sealed to a key of each agent's. On its machine: roony agent-key new; then as owner:"
    " roony agent public-key set agt_… FILE. Without a key an agent gets no card details.",
    "reveal": "Card details are shown to an approver, signed in or with a key, behind a one-time link of"
    " ROONY_PUBLIC_URL.",
}


def _tell_of_delivery(delivery: str) -> None:
    """What the safe ways to hand out a card need: nobody should find out at the first purchase."""
    if delivery in _NEEDED:
        typer.echo(_NEEDED[delivery], err=True)
