"""P9: every change has its record in the commit that made it, and the chain shows what was done to it."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest
import sqlalchemy

from roony.core.agent import Organization
from roony.core.audit import GENESIS, AuditRecord, verify
from roony.store.book import Book
from roony.store.command import FAILED, UNKNOWN_OUTCOME
from roony.store.rows import KnownMerchant
from tests.support.books import ORG, Books
from tests.support.tills import Do, answers, merchant, note, poison, together

OTHER = "org_2"


def chain(books: Books, organization_id: str = ORG) -> list[AuditRecord]:
    """The records of one organization in order."""
    return books.rows(AuditRecord, organization_id=organization_id)


def head(books: Books, organization_id: str = ORG) -> tuple[int, str]:
    """Where the organization's row says that its chain ends."""
    row = books.row(Organization, id=organization_id)
    return row.audit_sequence, row.audit_hash


@pytest.fixture
def two(books: Books) -> Books:
    """Books with a second organization."""
    books.put(books.row(Organization, id=ORG)._replace(id=OTHER))
    return books


class TestChaining:
    """One chain for each organization, whatever happens in its batches."""

    def test_random_batches_leave_true_chains(self, two: Books) -> None:
        dice = random.Random(20_260_101)
        written: dict[str, list[str]] = {ORG: [], OTHER: []}

        def failing(organization_id: str) -> Do:
            def action(book: Book, now: int) -> None:
                book.put(merchant("lost", organization_id))
                book.record(organization_id, "tester", "lost", "x", {}, now)
                raise RuntimeError("on purpose")

            return Do(action, organization_id=organization_id)

        for batch in range(15):
            commands, kept = [], []
            for number in range(dice.randint(1, 12)):
                organization_id = dice.choice((ORG, OTHER))
                kind = dice.random()
                if kind < 0.7:
                    name = f"{batch}-{number}"
                    commands.append(note(name, organization_id=organization_id))
                    kept.append((organization_id, name))
                elif kind < 0.9:
                    commands.append(failing(organization_id))
                else:
                    commands.append(poison(organization_id=organization_id))
            answered = answers(together(two.till, commands))
            for organization_id, name in kept:
                # A busy PostgreSQL ends what takes too long: that is refused, and of a lost connection nobody knows.
                known = name in answered or (
                    UNKNOWN_OUTCOME in answered and two.rows(KnownMerchant, merchant_key=name) != []
                )
                if known:
                    written[organization_id].append(name)
        assert sum(map(len, written.values())) > 20

        for organization_id, names in written.items():
            records = chain(two, organization_id)
            assert verify(records, head(two, organization_id)) is None
            assert [record.sequence for record in records] == list(range(1, len(names) + 1))
            assert [record.subject for record in records] == names
            assert records[0].previous_hash == GENESIS
            # A record and the row it speaks of came in one commit, or neither did.
            assert sorted(names) == sorted(
                row.merchant_key for row in two.rows(KnownMerchant, organization_id=organization_id)
            )

    def test_many_records_of_one_command_keep_their_order(self, books: Books) -> None:
        def action(book: Book, now: int) -> None:
            for number in range(10):
                book.record(ORG, "tester", "noted", str(number), {"n": number}, now)

        books.run(Do(action))
        assert [record.subject for record in chain(books)] == [str(number) for number in range(10)]
        assert verify(chain(books), head(books)) is None

    @pytest.mark.parametrize(
        "body", [{}, {"text": "ünïcödé 😀 \n \u2028 \x00 \" '"}, {"n": 2**63, "list": [1, None, True]}, {"ключ": "値"}]
    )
    def test_any_content_is_read_back_as_it_was_hashed(self, sqlite_books: Books, body: dict[str, Any]) -> None:
        books = sqlite_books
        books.run(Do(lambda book, now: book.record(ORG, "tester", "noted", "subject", body, now)))
        assert verify(chain(books), head(books)) is None


def _changed(**fields: Any) -> Any:
    return lambda records: [*records[:2], records[2]._replace(**fields), *records[3:]]


@pytest.fixture
def records(books: Books) -> list[AuditRecord]:
    """A true chain of six, from the database."""
    answers(together(books.till, [note(f"m{number}") for number in range(6)]))
    found = chain(books)
    assert verify(found, head(books)) is None
    return found


class TestTampering:
    """Whatever somebody does to the rows is seen, and where."""

    @pytest.mark.parametrize(
        ("tamper", "at"),
        [
            pytest.param(_changed(body='{"amount":1}'), 3, id="body"),
            pytest.param(_changed(actor="somebody"), 3, id="actor"),
            pytest.param(_changed(action="other"), 3, id="action"),
            pytest.param(_changed(subject="other"), 3, id="subject"),
            pytest.param(_changed(at=1), 3, id="time"),
            pytest.param(_changed(id="aud_000000000000000000000000"), 3, id="id"),
            pytest.param(_changed(hash="0" * 64), 3, id="hash"),
            pytest.param(_changed(previous_hash="0" * 64), 3, id="previous hash"),
            pytest.param(_changed(organization_id="org_2"), 3, id="organization"),
            pytest.param(_changed(sequence=9), 9, id="sequence"),
            pytest.param(lambda r: [*r[:2], *r[3:]], 4, id="deleted inside"),
            pytest.param(lambda r: r[1:], 2, id="deleted at the beginning"),
            pytest.param(lambda r: [r[0], r[2], r[1], *r[3:]], 3, id="reordered"),
            pytest.param(lambda r: [*r[:3], r[2], *r[3:]], 3, id="doubled"),
            pytest.param(lambda r: r[:-1], 6, id="cut off"),
            pytest.param(lambda r: [], 1, id="all gone"),
            pytest.param(lambda r: [*r, r[-1]._replace(sequence=7, previous_hash=r[-1].hash)], 7, id="forged addition"),
        ],
    )
    def test_it_is_seen(self, books: Books, records: list[AuditRecord], tamper: Any, at: int) -> None:
        broken = verify(tamper(records), head(books))
        assert broken is not None
        assert broken.sequence == at

    def test_a_cut_off_tail_is_seen_only_with_the_head(self, books: Books, records: list[AuditRecord]) -> None:
        assert verify(records[:-1]) is None
        broken = verify(records[:-1], head(books))
        assert broken is not None

    def test_a_change_in_the_database_itself_is_seen(self, books: Books, records: list[AuditRecord]) -> None:
        engine = sqlalchemy.create_engine(books.database.url)
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE audit_records SET at = at + 1 WHERE sequence = 4")
        engine.dispose()
        broken = verify(chain(books), head(books))
        assert broken is not None
        assert broken.sequence == 4

    def test_a_line_break_cannot_move_text_from_one_field_to_the_next(self, sqlite_books: Books) -> None:
        """Fields are hashed as lines: with a break inside one, two different records would have one hash."""
        books = sqlite_books
        assert books.run(Do(lambda book, now: book.record(ORG, "a\nb", "c", "d", {}, now))) == FAILED
        assert chain(books) == []
        text = f"{GENESIS}\n{ORG}\n1\n5\na\nb\nc\nd\n{{}}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        for actor, action, subject in (("a\nb", "c", "d"), ("a", "b\nc", "d"), ("a", "b", "c\nd")):
            forged = AuditRecord(ORG, 1, f"aud_{digest[:24]}", 5, actor, action, subject, "{}", GENESIS, digest)
            assert verify([forged]) is not None
