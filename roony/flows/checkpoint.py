"""Signing the audit chains: the installation's key, the duty that signs what is due, and signing at once.

1. Read the last checkpoint of a chain and the records behind it.
2. Verify them from there on. What is broken is never signed: the owner gets an alert that says which record.
3. Sign with the newest key, which only the vault opens.
4. Keep the checkpoint if it is still the next one: its number decides, whoever else signs at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from roony.core.audit import GENESIS, INSTALLATION, ROONY, Broken, verify
from roony.core.checkpoint import AGE_SECONDS, RECORDS, Checkpoint, next_checkpoint
from roony.core.duration import SECOND
from roony.core.errors import Refusal
from roony.flows.alert import alert_row, raise_alert
from roony.flows.context import FlowContext
from roony.store import checkpoints
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.database import Database
from roony.store.facts import Needs
from roony.store.queries.history import audit_from
from roony.store.queries.organizations import serves_several
from roony.store.rows import SigningKey
from roony.store.signing import new_pair, sign
from roony.store.till import Till
from roony.store.vault import Vault, VaultError, row_name

log = structlog.get_logger("roony.audit")

# How often chains are looked for, in seconds. More than one look finds wait for the worker's next round.
PACE = 60
# Checkpoints that one call signs; more records than they are over want another call.
BY_HAND = 20
MOST_KEYS = 100
# A record that is not signed after so long, in seconds, waits for somebody to see to it.
LATE_SECONDS = 2 * AGE_SECONDS
TOO_MANY_KEYS = Refusal("too_many_signing_keys", f"There are {MOST_KEYS} keys that sign, which is the most.", 409)
# The key is the installation's: where it serves several organizations no owner of one may change what signs for all.
OPERATOR_ONLY = Refusal(
    "operator_only",
    "This installation serves several organizations, and the key signs for all of them: whoever operates it makes a new"
    " one on the machine of the database, with roony init --new-signing-key.",
    409,
)
# The alert about a record that is not what was written.
BROKEN = "audit_chain_broken"


class Signer(NamedTuple):
    """The key that signs, opened."""

    public_key: str
    private_key: str


class Signed(NamedTuple):
    """What signing at once did: how many checkpoints were made, the newest there is, and whether more is to sign."""

    made: int
    checkpoint: Checkpoint | None
    more: bool


@dataclass(frozen=True, slots=True)
class AddSigningKey(Command[SigningKey | Refusal]):
    """A new key that signs from now on. `key` is the row as it is to be; the first one is made by Roony itself."""

    organization_id: str
    key: SigningKey
    actor: str

    def needs(self, now: int) -> Needs:
        """Whether somebody else made it."""
        return Needs(rows=((SigningKey, INSTALLATION, self.key.id),))

    def apply(self, book: Book, now: int) -> SigningKey | Refusal:
        """Keeps it, and says so in the chain of whoever asked."""
        if book.get(SigningKey, INSTALLATION, self.key.id) is not None:
            return Refusal("made_meanwhile", "Somebody else made a key at the same time: look at it first.", 409)
        row = self.key._replace(created_at=now)
        book.put(row)
        body = {"public_key": row.public_key}
        book.record(self.organization_id, self.actor, "audit.key_made", row.id, body, now)
        return row


@dataclass(frozen=True, slots=True)
class TellOfBrokenChain(Command[None]):
    """A record behind the last checkpoint is not what was written: an alert, until a person closes it."""

    organization_id: str
    broken: Broken

    def needs(self, now: int) -> Needs:
        """The alert."""
        return Needs(rows=(alert_row(self.organization_id, BROKEN, self.organization_id),))

    def apply(self, book: Book, now: int) -> None:
        """Opens it."""
        message = (
            f"Audit record {self.broken.sequence} {self.broken.problem}. Nothing from there on is signed. Somebody"
            " wrote into the database: compare it with an export or a backup, and see who could."
        )
        raise_alert(book, self.organization_id, BROKEN, self.organization_id, message, now)


class CheckpointDuty:
    """One for each worker; who holds the lease of the duties signs."""

    def __init__(self, context: FlowContext) -> None:
        """The first look comes at once."""
        self._context = context
        self._looked: int | None = None
        self._after, self._more = "", False

    async def look(self, now: int) -> tuple[()]:
        """Signs one checkpoint of each of the next few chains that are due. No commands come of it."""
        if self._looked is not None and abs(now - self._looked) < PACE * SECOND:
            return ()
        before = now - AGE_SECONDS * SECOND
        database = self._context.database
        found = await asyncio.to_thread(checkpoints.due, database, self._after, RECORDS, before)
        signer = await open_signer(self._context) if found else None
        for organization_id in found if signer is not None else ():
            done = await sign_next(self._context, organization_id, signer) if signer is not None else None
            self._more = self._more or (isinstance(done, Checkpoint) and done.size == RECORDS)
            self._after = organization_id
        if len(found) < checkpoints.AT_ONCE or signer is None:
            # All were looked at; from the beginning again, at once where one has more than a checkpoint holds.
            self._looked = None if self._more and signer is not None else now
            self._after, self._more = "", False
        return ()


async def sign_now(context: FlowContext, organization_id: str) -> Signed | Refusal:
    """Signs what is not signed of a chain, at most `BY_HAND` checkpoints."""
    signer = await open_signer(context)
    if signer is None:
        return Refusal("signing_key_missing", "The key that signs cannot be opened: see roony doctor.", 409)
    made = 0
    for _ in range(BY_HAND):
        done = await sign_next(context, organization_id, signer)
        if isinstance(done, Broken):
            return Refusal("chain_broken", f"Record {done.sequence} {done.problem}. It is not signed.", 409)
        if done is None:
            break
        made += 1
    last = await asyncio.to_thread(checkpoints.newest, context.database, organization_id)
    return Signed(made, last, made == BY_HAND)


async def sign_next(context: FlowContext, organization_id: str, signer: Signer) -> Checkpoint | Broken | None:
    """The next checkpoint of a chain, over at most `RECORDS`; None where nothing is to sign, or somebody else did.

    As the module says.
    """
    made = await asyncio.to_thread(_make, context, organization_id, signer)
    if isinstance(made, Broken):
        log.error("audit.chain_broken", organization=organization_id, record=made.sequence, problem=made.problem)
        await context.till.submit(TellOfBrokenChain(organization_id, made))
    elif made is not None and not await context.till.write(checkpoints.keep(made)):
        return None
    return made


def _make(context: FlowContext, organization_id: str, signer: Signer) -> Checkpoint | Broken | None:
    """Blocks: cold reads."""
    last = checkpoints.newest(context.database, organization_id)
    end = (last.sequence, last.hash) if last is not None else (0, GENESIS)
    records = audit_from(context.database, organization_id, end[0], RECORDS)
    if not records:
        return None
    broken = verify(records, after=end)
    if broken is not None:
        return broken
    key = signer.private_key
    return next_checkpoint(last, records, context.clock(), signer.public_key, lambda text: sign(key, text))


async def open_signer(context: FlowContext) -> Signer | None:
    """The newest key, made if there is none; None, said in the log, where the vault does not open it."""
    keys = await asyncio.to_thread(checkpoints.signing_keys_of, context.database)
    if not keys:
        row = new_signing_key(context.vault, (), context.clock())
        made = await context.till.submit(AddSigningKey(INSTALLATION, row, ROONY))
        if isinstance(made, Refusal) and made.code != "made_meanwhile":
            return None
        keys = await asyncio.to_thread(checkpoints.signing_keys_of, context.database)
    try:
        return Signer(keys[0].public_key, context.vault.open(keys[0].sealed, _row_of(keys[0].id)))
    except VaultError as error:
        log.error("audit.key_not_opened", key=keys[0].id, error=str(error), next="roony audit key --new makes another")
        return None


async def add_signing_key(
    context: FlowContext, organization_id: str, actor: str, by: Authority | None = None
) -> SigningKey | Refusal:
    """Another key in place of the one that signs: after the secret keys got into wrong hands, or were lost."""
    if await asyncio.to_thread(serves_several, context.database):
        return OPERATOR_ONLY
    keys = await asyncio.to_thread(checkpoints.signing_keys_of, context.database)
    if len(keys) >= MOST_KEYS:
        return TOO_MANY_KEYS
    row = new_signing_key(context.vault, keys, context.clock())
    return await context.till.submit(AddSigningKey(organization_id, row, actor), by=by)


def add_signing_key_here(database: Database, till: Till, vault: Vault, now: int, actor: str) -> SigningKey | Refusal:
    """The same for whoever operates the installation, on the machine of the database; on record in its own chain."""
    keys = checkpoints.signing_keys_of(database)
    if len(keys) >= MOST_KEYS:
        return TOO_MANY_KEYS
    return till.submit_and_wait(AddSigningKey(INSTALLATION, new_signing_key(vault, keys, now), actor))


def new_signing_key(vault: Vault, there: Sequence[SigningKey], now: int) -> SigningKey:
    """The row of a fresh key that follows those that are there; the private one is in it, sealed."""
    id = f"sgk_{len(there) + 1:03}"
    private_key, public_key = new_pair()
    return SigningKey(INSTALLATION, id, public_key, vault.seal(private_key, _row_of(id)), now)


def signing_trouble(context: FlowContext) -> str | None:
    """Why chains are not signed as they should be; None where they are. Blocks: cold reads."""
    keys = checkpoints.signing_keys_of(context.database)
    try:
        opened = [context.vault.open(row.sealed, _row_of(row.id)) for row in keys[:1]]
    except VaultError as error:
        return f"The key that signs audit chains does not open: {error}."
    late = context.clock() - LATE_SECONDS * SECOND
    for organization_id in checkpoints.due(context.database, "", RECORDS, late):
        last = checkpoints.newest(context.database, organization_id)
        first = audit_from(context.database, organization_id, last.sequence if last is not None else 0, 1)
        if first and first[0].at <= late:
            return f"Audit records have waited for a signature for more than {LATE_SECONDS // 3600} hours."
    return None if opened else "No audit chain is signed yet."


def _row_of(id: str) -> bytes:
    return row_name("signing_keys", INSTALLATION, id, "sealed")
