"""The tables fit their row types, and what was written under a key is found under it."""

from __future__ import annotations

import random
from typing import Any, get_type_hints

import pytest
from sqlalchemy import BigInteger, LargeBinary, Table, Text

from roony.store.rows import KnownMerchant
from roony.store.tables import ARCHIVES, TABLE_OF, metadata, row_type
from tests.support.books import NOW, ORG, Books
from tests.support.tills import merchant

TABLES = [pytest.param(table, id=table.name) for table in metadata.sorted_tables]


@pytest.mark.parametrize("table", TABLES)
class TestEveryTable:
    """Rows are plain tuples in column order, so the two must agree."""

    def test_its_columns_are_the_fields_of_its_row_in_order(self, table: Table) -> None:
        assert [column.name for column in table.columns] == list(row_type(table)._fields)  # type: ignore[attr-defined]
        assert (TABLE_OF[row_type(table)] is table) == (table not in ARCHIVES)

    def test_its_columns_hold_integers_text_and_bytes_only(self, table: Table) -> None:
        kinds = {str: Text, int: BigInteger, bytes: LargeBinary}
        for name, hint in get_type_hints(row_type(table)).items():
            bare = next(kind for kind in kinds if hint in (kind, kind | None))
            column = table.columns[name]
            assert isinstance(column.type, kinds[bare]), name
            assert column.nullable == (hint != bare), name

    def test_its_key_is_its_primary_key(self, table: Table) -> None:
        assert [column.name for column in table.primary_key.columns] == table.info["key"]
        assert not any(column.nullable for column in table.primary_key.columns)


def test_an_archive_has_the_shape_of_the_table_it_is_filled_from() -> None:
    for archive in ARCHIVES:
        table = TABLE_OF[row_type(archive)]
        assert archive.name == f"{table.name}_archive"
        assert archive.info == table.info


ODD = [
    "plain", "", " ", "with space", "'; DROP TABLE x; --", '"quoted"', "back\\slash", "[1]", "{}", "null", "true",
    "1", "1.0", "0x10", "%s", "?", "$[0]", "ünïcödé", "😀", "\u2028", "\ufeff", "\t\r\n", "\x01\x7f", "e" * 3_000,
    "NULL", "1e5", "٣", "ａ", "é", "e\u0301",
]  # fmt: skip


class TestKeys:
    """What was written under a key is found under it, whatever the key is made of."""

    def test_odd_keys(self, books: Books) -> None:
        rows = [merchant(text) for text in ODD]
        books.put(*rows)

        def find(keys: list[tuple[Any, ...]]) -> list[KnownMerchant]:
            table = TABLE_OF[KnownMerchant]
            return books.till.write_and_wait(lambda w: w.rows_by(table, ("organization_id", "merchant_key"), keys))

        assert len({row.merchant_key for row in rows}) == len(ODD)
        for row in rows:
            assert find([(ORG, row.merchant_key)]) == [row]
        assert sorted(find([(ORG, text) for text in ODD])) == sorted(rows)
        assert find([("org_2", text) for text in ODD]) == []

    def test_random_integers(self, books: Books) -> None:
        from roony.core.purchase import Velocity

        dice = random.Random(7)
        hours = [0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), NOW, *(dice.randrange(2**62) for _ in range(50))]
        rows = [Velocity(ORG, "agt_1", hour, 1, hour) for hour in hours]
        books.put(*rows)
        table = TABLE_OF[Velocity]
        key = ("organization_id", "agent_id", "hour")
        found = books.till.write_and_wait(lambda w: w.rows_by(table, key, [(ORG, "agt_1", hour) for hour in hours]))
        assert sorted(found) == sorted(rows)
