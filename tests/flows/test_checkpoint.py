"""Chains are signed when it is time, by whoever holds the lease, each part once; what is broken is never signed."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import Update, text, update

from roony.core.agent import Organization
from roony.core.alert import Alert
from roony.core.audit import GENESIS, INSTALLATION, AuditRecord
from roony.core.checkpoint import AGE_SECONDS, RECORDS, Checkpoint, seal_problem
from roony.core.merkle import root_of
from roony.flows import checkpoint
from roony.flows.checkpoint import (
    BROKEN,
    LATE_SECONDS,
    PACE,
    AddSigningKey,
    CheckpointDuty,
    Signed,
    add_signing_key,
    new_signing_key,
    open_signer,
    sign_next,
    sign_now,
    signing_trouble,
)
from roony.flows.context import FlowContext
from roony.flows.key_rotation import Rotated, rotate_keys
from roony.store import checkpoints
from roony.store.rows import SigningKey
from roony.store.signing import is_signed
from roony.store.tables import audit_records
from roony.store.vault import Vault
from roony.store.writer import Writer
from tests.support.books import ORG, Books
from tests.support.connecting import OTHER_ORG, VAULT_KEY
from tests.support.evidence import install
from tests.support.offline import offline_context
from tests.support.tills import answers, note, together


@pytest.fixture
def context(books: Books) -> Iterator[FlowContext]:
    install(books)
    with offline_context(books) as made:
        yield made


def write(books: Books, count: int, organization_id: str = ORG) -> None:
    """So many more records."""
    there = books.row(Organization, id=organization_id).audit_sequence
    for start in range(0, count, 40):
        some = range(start, min(count, start + 40))
        answers(together(books.till, [note(f"{there}-{at}", organization_id=organization_id) for at in some]))
    assert books.row(Organization, id=organization_id).audit_sequence == there + count


def of(books: Books, organization_id: str = ORG) -> list[Checkpoint]:
    """The checkpoints of a chain, each looked at: whole, signed, and behind the one before."""
    rows = sorted(books.rows(Checkpoint, organization_id=organization_id), key=lambda row: row.number)
    records = sorted(books.rows(AuditRecord, organization_id=organization_id), key=lambda row: row.sequence)
    end, previous = 0, GENESIS
    for place, row in enumerate(rows):
        assert (row.number, row.first_sequence, row.previous) == (place + 1, end + 1, previous)
        assert seal_problem(row, is_signed, ()) is None
        covered = records[row.first_sequence - 1 : row.sequence]
        assert (row.hash, row.root) == (covered[-1].hash, root_of([record.hash for record in covered]))
        end, previous = row.sequence, row.digest
    return rows


def look(context: FlowContext, duty: CheckpointDuty, times: int = 1) -> None:
    async def looks() -> None:
        for _ in range(times):
            await duty.look(context.clock())

    asyncio.run(looks())


def test_a_chain_is_signed_at_first_then_by_the_hour(context: FlowContext, books: Books) -> None:
    duty = CheckpointDuty(context)
    write(books, 3)
    look(context, duty)
    assert [row.sequence for row in of(books)] == [3]

    write(books, 2)
    books.clock.advance(PACE)
    look(context, duty)
    assert len(of(books)) == 1, "the last checkpoint is young, and few records wait"

    books.clock.advance(AGE_SECONDS)
    look(context, duty, 3)
    assert [row.sequence for row in of(books)] == [3, 5]

    books.clock.advance(10 * AGE_SECONDS)
    look(context, duty)
    assert len(of(books)) == 2, "nothing happened since"


def test_many_records_do_not_wait_for_the_hour(
    context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "RECORDS", 5)
    duty = CheckpointDuty(context)
    write(books, 1)
    look(context, duty)
    write(books, 4)
    books.clock.advance(PACE)
    look(context, duty)
    assert [row.sequence for row in of(books)] == [1]
    write(books, 8)
    books.clock.advance(PACE)
    look(context, duty, 4)
    # What is left of a full one waits for its hour, or for more.
    assert [row.sequence for row in of(books)] == [1, 6, 11]


def test_a_look_comes_again_only_after_its_pace(context: FlowContext, books: Books) -> None:
    duty = CheckpointDuty(context)
    look(context, duty)
    write(books, 1)
    books.clock.advance(PACE - 1)
    look(context, duty)
    assert of(books) == []
    books.clock.advance(1)
    look(context, duty)
    assert len(of(books)) == 1


def test_every_organization_has_its_turn(context: FlowContext, books: Books) -> None:
    """Also when some of them are broken for good."""
    ids = [f"org_many_{number}" for number in range(2 * checkpoints.AT_ONCE + 1)]
    for id in ids:
        books.put(books.row(Organization, id=ORG)._replace(id=id, audit_sequence=0, audit_hash=GENESIS))
        write(books, 2, id)
    for id in ids[: checkpoints.AT_ONCE]:
        context.till.write_and_wait(tamper(id, 1))
    look(context, CheckpointDuty(context), 4)
    assert {id for id in ids if of_any(books, id)} == set(ids[checkpoints.AT_ONCE :])


def of_any(books: Books, organization_id: str) -> list[Checkpoint]:
    return books.rows(Checkpoint, organization_id=organization_id)


def tamper(organization_id: str, sequence: int, actor: str = "somebody"):  # type: ignore[no-untyped-def]
    """Somebody changes a record in the database."""
    statement: Update = (
        update(audit_records)
        .where(audit_records.c.organization_id == organization_id, audit_records.c.sequence == sequence)
        .values(actor=actor)
    )

    def change(writer: Writer) -> None:
        writer.execute(statement)

    return change


def test_what_is_broken_is_not_signed_and_the_owner_is_told_once(context: FlowContext, books: Books) -> None:
    write(books, 2)
    asyncio.run(sign_now(context, ORG))
    write(books, 3)
    context.till.write_and_wait(tamper(ORG, 4))

    async def both() -> None:
        assert "Record 4 was changed" in str(await sign_now(context, ORG))
        assert "chain_broken" in str(await sign_now(context, ORG))

    asyncio.run(both())
    assert [row.sequence for row in of_any(books, ORG)] == [2]
    [alert] = books.rows(Alert, organization_id=ORG)
    assert (alert.kind, alert.status, alert.times) == (BROKEN, "open", 1)
    assert "Audit record 4 was changed" in alert.message


def test_a_chain_written_anew_behind_a_checkpoint_is_not_signed(context: FlowContext, books: Books) -> None:
    """The next record has to hold the hash that was signed last."""
    write(books, 4)
    asyncio.run(sign_now(context, ORG))
    write(books, 1)
    forged = text("UPDATE audit_records SET previous_hash = :forged WHERE organization_id = 'org_1' AND sequence = 5")
    context.till.write_and_wait(lambda writer: writer.execute(forged, forged="1" * 64))
    assert "does not name the hash of the record before it" in str(asyncio.run(sign_now(context, ORG)))


def test_two_who_sign_at_once_write_each_part_once(context: FlowContext, books: Books) -> None:
    write(books, 6)

    async def both() -> list[Signed]:
        signers = [sign_now(context, ORG) for _ in range(6)]
        return [one for one in await asyncio.gather(*signers) if isinstance(one, Signed)]

    done = asyncio.run(both())
    assert sum(one.made for one in done) == 1
    assert len(of(books)) == 1
    assert len(books.rows(SigningKey)) == 1, "and made the key once"


def test_signing_by_hand_goes_on_over_many(context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "RECORDS", 2)
    monkeypatch.setattr(checkpoint, "BY_HAND", 3)
    write(books, 9)
    first, second = (asyncio.run(sign_now(context, ORG)) for _ in range(2))
    assert isinstance(first, Signed)
    assert isinstance(second, Signed)
    assert (first.made, first.more, second.made, second.more) == (3, True, 2, False)
    assert second.checkpoint == of(books)[-1]
    assert of(books)[-1].sequence == 9
    assert RECORDS == 1_000


def test_chains_do_not_mix(context: FlowContext, books: Books) -> None:
    books.put(books.row(Organization, id=ORG)._replace(id=OTHER_ORG, audit_sequence=0, audit_hash=GENESIS))
    write(books, 2)
    write(books, 3, OTHER_ORG)
    look(context, CheckpointDuty(context))
    assert [row.sequence for row in of(books)] == [2]
    assert [row.sequence for row in of(books, OTHER_ORG)] == [3]
    look(context, CheckpointDuty(context))
    assert books.rows(Checkpoint, organization_id=INSTALLATION), "the making of the key is signed, too"


class TestTheKey:
    """Sealed by the ring; the same after the ring is rotated; another one only when somebody asks for it."""

    def test_it_lies_sealed_and_outlives_a_rotation(self, context: FlowContext, books: Books) -> None:
        write(books, 1)
        before = asyncio.run(open_signer(context))
        assert before is not None
        [row] = books.rows(SigningKey)
        assert before.private_key not in str(row)
        assert before.public_key == row.public_key
        later = hashlib.sha256(b"the next one").digest()
        rotating = dataclasses.replace(context, vault=Vault([later, VAULT_KEY]))
        done = asyncio.run(rotate_keys(rotating, ORG, None, "key_1"))
        assert isinstance(done, Rotated)
        assert done.resealed == 1
        after = asyncio.run(open_signer(dataclasses.replace(context, vault=Vault([later]))))
        assert after == before

    def test_a_stolen_database_alone_signs_nothing(self, context: FlowContext, books: Books) -> None:
        write(books, 1)
        asyncio.run(sign_now(context, ORG))
        write(books, 1)
        thief = dataclasses.replace(context, vault=Vault([hashlib.sha256(b"a guess").digest()]))
        assert asyncio.run(open_signer(thief)) is None
        assert "signing_key_missing" in str(asyncio.run(sign_now(thief, ORG)))
        look(thief, CheckpointDuty(thief))
        assert len(of(books)) == 1
        assert len(books.rows(SigningKey)) == 1, "no other key takes its place by itself"

    def test_a_new_one_signs_from_then_on(self, context: FlowContext, books: Books) -> None:
        write(books, 1)
        asyncio.run(sign_now(context, ORG))
        made = asyncio.run(add_signing_key(context, ORG, "usr_1"))
        assert isinstance(made, SigningKey)
        asyncio.run(sign_now(context, ORG))
        first, second = of(books)
        assert (first.public_key == made.public_key, second.public_key) == (False, made.public_key)
        [record] = books.rows(AuditRecord, organization_id=ORG, action="audit.key_made")
        assert (record.actor, record.subject, made.public_key in record.body) == ("usr_1", made.id, True)
        [own] = books.rows(AuditRecord, organization_id=INSTALLATION, action="audit.key_made")
        assert own.actor == "roony"

    def test_two_who_make_one_at_once_make_one(self, context: FlowContext, books: Books) -> None:
        rows = [new_signing_key(context.vault, (), context.clock()) for _ in range(2)]
        made = answers(together(context.till, [AddSigningKey(ORG, row, "usr_1") for row in rows]))
        assert sorted(isinstance(one, SigningKey) for one in made) == [False, True]
        assert [row.public_key for row in books.rows(SigningKey)] in ([rows[0].public_key], [rows[1].public_key])

    def test_there_is_a_most(self, context: FlowContext, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checkpoint, "MOST_KEYS", 1)
        assert asyncio.run(open_signer(context)) is not None
        assert "too_many_signing_keys" in str(asyncio.run(add_signing_key(context, ORG, "usr_1")))


def test_the_doctor_says_what_is_wrong(context: FlowContext, books: Books) -> None:
    assert signing_trouble(context) == "No audit chain is signed yet."
    write(books, 1)
    asyncio.run(sign_now(context, ORG))
    asyncio.run(sign_now(context, INSTALLATION))
    assert signing_trouble(context) is None
    write(books, 1)
    books.clock.advance(LATE_SECONDS - 1)
    assert signing_trouble(context) is None
    books.clock.advance(1)
    assert "for more than 2 hours" in str(signing_trouble(context))
    thief = dataclasses.replace(context, vault=Vault([hashlib.sha256(b"a guess").digest()]))
    assert "does not open" in str(signing_trouble(thief))


def test_nothing_to_sign_is_no_checkpoint(context: FlowContext, books: Books) -> None:
    async def sign() -> None:
        signer = await open_signer(context)
        assert signer is not None
        assert await sign_next(context, "org_nobody", signer) is None

    asyncio.run(sign())
    assert books.rows(Checkpoint) == []
