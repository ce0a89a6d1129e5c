"""Many rows written with one statement are the rows that were given, whatever stands in them."""

from __future__ import annotations

from roony.core.settlement import Discrepancy
from roony.store import tables
from roony.store.inbox import new_event
from roony.store.rows import InboxEvent
from roony.store.writer import Writer
from tests.support.books import NOW, Books

# What means something in an array of PostgreSQL's, in SQL or in JSON, and what does not.
TEXTS = [
    "",
    " ",
    "NULL",
    "null",
    "{}",
    "{a,b}",
    '"',
    '\\"',
    "\\",
    "\\\\",
    "a,b",
    "'",
    "%s",
    "é😀",
    "line\nline",
    "\ttab",
    '{"a":[1]}',
]


def findings() -> list[Discrepancy]:
    return [
        Discrepancy(
            "org_1",
            f"dis_{number}",
            "over_capture",
            "open",
            None if number % 2 else text,
            text or None,
            text,
            text,
            text,
            None,
            None,
            -number,
            None if number % 3 else 2**62 + number,
        )
        for number, text in enumerate(TEXTS)
    ]


def events() -> list[InboxEvent]:
    return [
        new_event(f"evt_{number}", text or None, False, "x", None, number, text.encode() + bytes(range(256)), NOW)
        for number, text in enumerate(TEXTS)
    ]


def test_new_rows_are_read_back_as_they_were_written(books: Books) -> None:
    def work(writer: Writer) -> None:
        writer.write_rows(tables.discrepancies, findings())
        writer.write_rows(tables.inbox, events())

    books.till.write_and_wait(work)
    assert sorted(books.rows(Discrepancy)) == sorted(findings())
    assert {row.id: row for row in books.rows(InboxEvent)} == {row.id: row for row in events()}


def test_changed_rows_too_and_no_others(books: Books) -> None:
    rows = findings()
    changed = [
        row._replace(note=text, resolved_at=number or None)
        for number, (row, text) in enumerate(zip(rows, TEXTS[::-1], strict=True))
    ]
    places = (Discrepancy._fields.index("note"), Discrepancy._fields.index("resolved_at"))

    def work(writer: Writer) -> None:
        writer.write_rows(tables.discrepancies, rows)
        writer.update_rows(tables.discrepancies, places, changed[:-2])

    books.till.write_and_wait(work)
    expected = {row.id: row for row in [*changed[:-2], *rows[-2:]]}
    assert {row.id: row for row in books.rows(Discrepancy)} == expected
    keys = [(row.organization_id, row.id) for row in rows]
    found = books.till.write_and_wait(
        lambda writer: writer.rows_by(tables.discrepancies, ("organization_id", "id"), keys)
    )
    assert {row.id: row for row in found} == expected


def test_rows_are_found_by_any_text(books: Books) -> None:
    def work(writer: Writer) -> list[Discrepancy]:
        writer.write_rows(tables.discrepancies, findings())
        keys = [("org_1", text) for text in TEXTS]
        return writer.rows_by(tables.discrepancies, ("organization_id", "subject"), keys)

    assert sorted(books.till.write_and_wait(work)) == sorted(findings())
