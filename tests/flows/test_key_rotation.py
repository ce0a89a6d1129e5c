"""Changing the key that seals stored tokens: all of them again, while others write, and missing keys named."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Iterator

import pytest

from roony.core.audit import AuditRecord
from roony.flows import key_rotation
from roony.flows.context import FlowContext
from roony.flows.key_rotation import Rotated, missing_keys, rotate_keys, warn_of_missing_keys
from roony.store.queries.paging import InvalidCursor, encode_cursor
from roony.store.rows import ConnectionSecret
from roony.store.sealed import SEALED
from roony.store.tables import metadata
from roony.store.vault import Vault, VaultKeyMissing, VaultTampered, key_id_of, row_name
from tests.support.books import NOW, ORG, Books
from tests.support.connecting import OTHER_ORG, VAULT_KEY, open_context, stripe_gateway
from tests.support.log_lines import logged

pytestmark = pytest.mark.anyio

NEW_KEY = hashlib.sha256(b"the next one").digest()
OLD_ID, NEW_ID = key_id_of(VAULT_KEY), key_id_of(NEW_KEY)


@pytest.fixture
def context(books: Books) -> Iterator[FlowContext]:
    with open_context(books, stripe_gateway("http://127.0.0.1:9")) as made:
        yield made


def with_keys(context: FlowContext, *keys: bytes) -> FlowContext:
    """The same installation, started with another ring."""
    return dataclasses.replace(context, vault=Vault(keys))


def secret(context: FlowContext, connection: str, text: str, org: str = ORG) -> ConnectionSecret:
    """An access token, sealed by the ring of `context`."""
    return ConnectionSecret(org, connection, "access_token", context.vault.seal(text, bound(connection, org)), NOW)


def bound(connection: str, org: str = ORG, name: str = "access_token") -> bytes:
    return row_name("connection_secrets", org, connection, name)


async def rotate(context: FlowContext, cursor: str | None = None) -> Rotated:
    done = await rotate_keys(context, ORG, cursor, "key_1")
    assert isinstance(done, Rotated), done
    return done


async def test_everything_is_sealed_again_and_the_old_key_can_go(context: FlowContext, books: Books) -> None:
    books.put(
        *(secret(context, f"con_{number}", f"token {number}") for number in range(3)),
        secret(context, "con_0", "of another", OTHER_ORG),
        ConnectionSecret(ORG, "con_erased", "access_token", "", NOW),
    )
    rotating = with_keys(context, NEW_KEY, VAULT_KEY)

    done = await rotate(rotating)

    assert done == Rotated(NEW_ID, resealed=4)
    # The old key is dropped.
    after = Vault([NEW_KEY])
    for row in books.rows(ConnectionSecret, organization_id=ORG):
        if row.sealed:
            number = row.connection_id.removeprefix("con_")
            assert after.open(row.sealed, bound(row.connection_id)) == f"token {number}"
            assert row.updated_at == NOW
    [other] = books.rows(ConnectionSecret, organization_id=OTHER_ORG)
    assert after.open(other.sealed, bound("con_0", OTHER_ORG)) == "of another"
    with pytest.raises(VaultKeyMissing, match=NEW_ID):
        context.vault.open(other.sealed, bound("con_0", OTHER_ORG))
    [record] = books.rows(AuditRecord, action="keys.rotated")
    assert (record.organization_id, record.actor) == (ORG, "key_1")
    assert await rotate(rotating) == Rotated(NEW_ID, already_current=4)
    assert len(books.rows(AuditRecord, action="keys.rotated")) == 1


async def test_a_sealed_value_moved_to_another_row_does_not_open(context: FlowContext, books: Books) -> None:
    mine = secret(context, "con_1", "mine")
    moved = [
        mine._replace(connection_id="con_2"), mine._replace(organization_id=OTHER_ORG),
        mine._replace(name="refresh_token"),
    ]  # fmt: skip
    books.put(mine, *moved)
    for row in moved:
        with pytest.raises(VaultTampered):
            context.vault.open(row.sealed, bound(row.connection_id, row.organization_id, row.name))

    done = await rotate(with_keys(context, NEW_KEY, VAULT_KEY))

    assert (done.resealed, done.damaged) == (1, 3)
    # What does not open stays as it is.
    assert sum(row.sealed == mine.sealed for row in books.rows(ConnectionSecret)) == 3


async def test_missing_keys_are_named(context: FlowContext, books: Books) -> None:
    books.put(*(secret(context, f"con_{number}", "x") for number in range(3)))
    bare = with_keys(context, NEW_KEY)

    assert await rotate(bare) == Rotated(NEW_ID, unreadable={OLD_ID: 3})
    assert await missing_keys(bare) == {OLD_ID: 3}
    assert await missing_keys(context) == {}
    with logged(key_rotation) as logs:
        await warn_of_missing_keys(bare)
    [line] = logs
    assert (line["event"], line["log_level"], line["key_id"], line["values"]) == (
        "vault.key_missing",
        "error",
        OLD_ID,
        3,
    )
    assert books.rows(AuditRecord, action="keys.rotated") == []
    # The key is found again: it goes on where it was.
    assert (await rotate(with_keys(context, NEW_KEY, VAULT_KEY))).resealed == 3


async def test_it_goes_by_pieces_and_can_be_broken_off(
    context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 3)
    monkeypatch.setattr(key_rotation, "AT_ONCE", 2)
    books.put(*(secret(context, f"con_{number}", "x") for number in range(7)))
    rotating = with_keys(context, NEW_KEY, VAULT_KEY)

    first = await rotate(rotating)
    assert (first.resealed, first.next_cursor is not None) == (3, True)
    # Broken off here, and begun anew.
    seen, cursor = [], None
    for _ in range(4):
        done = await rotate(rotating, cursor)
        seen.append((done.already_current, done.resealed))
        cursor = done.next_cursor
        if cursor is None:
            break

    assert seen == [(3, 0), (0, 3), (0, 1)]
    with pytest.raises(InvalidCursor):
        await rotate(rotating, "nonsense")


async def test_where_it_goes_on_tells_nothing_of_others(
    context: FlowContext, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values of all organizations are looked at: the place is sealed, for the one that was given it."""
    monkeypatch.setattr(key_rotation, "BATCH", 1)
    books.put(*(secret(context, f"con_{number}", "x", OTHER_ORG) for number in range(2)))

    cursor = (await rotate(context)).next_cursor
    assert cursor is not None

    for open_text in (encode_cursor([0, OTHER_ORG, "con_0", "access_token"]), cursor):
        with pytest.raises(InvalidCursor):
            await rotate_keys(context, OTHER_ORG, open_text, "key_2")
    assert (await rotate(context, cursor)).already_current == 1


class Overtaken(Vault):
    """A ring that is slow: while it seals a value, somebody else writes."""

    def __init__(self, keys: list[bytes], meanwhile: Callable[[], None]) -> None:
        super().__init__(keys)
        self.meanwhile: Callable[[], None] | None = meanwhile

    def seal(self, value: str, row: bytes) -> str:
        """The value; the others write before its first sealing is put in its place."""
        if self.meanwhile is not None:
            write, self.meanwhile = self.meanwhile, None
            write()
        return super().seal(value, row)


async def test_a_token_written_meanwhile_is_not_overwritten(context: FlowContext, books: Books) -> None:
    """After it was read it is replaced, by a process with the old ring, and another one is erased."""
    books.put(secret(context, "con_1", "old token"), secret(context, "con_2", "other"))
    newer = [secret(context, "con_1", "new token"), ConnectionSecret(ORG, "con_2", "access_token", "", NOW)]
    ring = Overtaken([NEW_KEY, VAULT_KEY], lambda: books.put(*newer))

    done = await rotate(dataclasses.replace(context, vault=ring))

    rows = {row.connection_id: row.sealed for row in books.rows(ConnectionSecret)}
    assert Vault([NEW_KEY]).open(rows["con_1"], bound("con_1")) == "new token"
    assert rows["con_2"] == ""
    assert done.resealed == 1


async def test_two_at_once_do_it_once(context: FlowContext, books: Books) -> None:
    books.put(*(secret(context, f"con_{number}", "x") for number in range(40)))
    rotating = with_keys(context, NEW_KEY, VAULT_KEY)

    both = await asyncio.gather(rotate(rotating), rotate(rotating))

    assert sum(done.resealed for done in both) == 40
    assert {row.sealed.split(".")[1] for row in books.rows(ConnectionSecret)} == {NEW_ID}


async def test_every_sealed_column_is_looked_at() -> None:
    named = {(column.table.name, column.column) for column in SEALED}
    there = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if "sealed" in column.name
    }
    assert named == there
