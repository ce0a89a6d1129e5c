"""Looks through every byte Roony keeps for card numbers, CVCs, tokens and keys, in each spelling they could hide in."""

from __future__ import annotations

import base64
import re
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select

from roony.store.database import Database
from roony.store.tables import metadata


class Leak(NamedTuple):
    """Something secret that lies where it should not; never the secret itself."""

    place: str
    what: str
    spelling: str


class Secrets(NamedTuple):
    """What must be found nowhere: card numbers, CVCs, and other texts by a name."""

    numbers: Collection[str] = ()
    cvcs: Collection[str] = ()
    texts: dict[str, str] = {}  # noqa: RUF012 - never changed


# A field that is named for a CVC and holds one, as JSON, in a URL, as text; in quotes that are escaped too.
_CVC_FIELD = re.compile(rb"(?i)\b(?:cvc|cvv|cid|security_code)2?\\?[\"']?\s*[:=]\s*\\?[\"']?\d{3,4}(?!\d)")
# The secret member of a private key on a curve (RFC 7518 section 6.2.2), in a JWK; in quotes that are escaped too.
_PRIVATE_KEY = re.compile(rb"\\?\"d\\?\"\s*:\s*\\?\"[\w-]{43}\\?\"")
_SQLITE = b"SQLite format 3\x00"
_BEGINNING = 6


def scan(folder: Path, secrets: Secrets, skip: Collection[str] = ()) -> list[Leak]:
    """Every leak in the files of `folder`, whose names are not in `skip`: raw bytes, and the cells of databases."""
    needles: dict[bytes, list[tuple[str, str, bytes]]] = defaultdict(list)
    for what, spelling, needle in _needles(secrets):
        needles[needle[:_BEGINNING]].append((what, spelling, needle))
    cvcs = [f'"{cvc}"'.encode() for cvc in secrets.cvcs]
    leaks = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in skip):
        for place, content in _contents(file):  # nothing of one that is gone by now
            # Card numbers of one issuer begin alike: one look for the beginning spares a look for each of them.
            found = [one for beginning, those in needles.items() if beginning in content for one in those]
            leaks += [Leak(place, what, spelling) for what, spelling, needle in found if needle in content]
            if _CVC_FIELD.search(content):
                leaks.append(Leak(place, "CVC", "named field"))
            if _PRIVATE_KEY.search(content):
                leaks.append(Leak(place, "private key", "named field"))
            if any(cvc in content for cvc in cvcs):
                leaks.append(Leak(place, "CVC", "quoted value"))
    return leaks


def _contents(file: Path) -> Iterator[tuple[str, bytes]]:
    """The bytes of a file; of a database also all its cells, since a long one lies in pieces over several pages."""
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return
    yield file.name, raw
    if raw.startswith(_SQLITE):
        yield f"{file.name} (cells)", b"\n".join(_cells(file))


def _cells(file: Path) -> Iterator[bytes]:
    """Every cell with its column's name, so that one named for a CVC is seen as a field."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name from the database itself
            names = [column[0] for column in cursor.description]
            for row in cursor:
                for name, value in zip(names, row, strict=True):
                    yield name.encode() + b": " + _as_bytes(value)


def cells_of(database_url: str) -> Iterator[bytes]:
    """The same of a database that is served, SQLite or PostgreSQL: every cell of every table with its column's name."""
    database = Database(database_url)
    try:
        for table in metadata.sorted_tables:
            names = [column.name for column in table.columns]
            for row in database.read(select(table)):
                for name, value in zip(names, row, strict=True):
                    yield name.encode() + b": " + _as_bytes(value)
    finally:
        database.close()


def _as_bytes(value: object) -> bytes:
    """Texts in quotes, as they would be in JSON; a plain number is no text."""
    if isinstance(value, bytes):
        return b'"%s"' % value
    return f'"{value}"'.encode() if isinstance(value, str) else str(value).encode()


def _needles(secrets: Secrets) -> Iterator[tuple[str, str, bytes]]:
    """What to look for, as (what, spelling, bytes)."""
    for number in secrets.numbers:
        for name, text in _groupings(number):
            for spelling, needle in _spellings(text.encode()):
                yield "card number", f"{name} {spelling}", needle
        # As the databases keep an integer: 8 bytes, the first of which SQLite leaves out where it is 0.
        yield "card number", "integer", int(number).to_bytes(8, "big").lstrip(b"\0")
    for what, text in secrets.texts.items():
        for spelling, needle in _spellings(text.encode()):
            yield what, spelling, needle


def _groupings(number: str) -> Iterable[tuple[str, str]]:
    groups = [number[start : start + 4] for start in range(0, len(number), 4)]
    return [("whole", number), ("spaced", " ".join(groups)), ("dashed", "-".join(groups)), ("dotted", ".".join(groups))]


def _spellings(plain: bytes) -> Iterator[tuple[str, bytes]]:
    yield "plain", plain
    yield "UTF-16", b"\0".join(plain[place : place + 1] for place in range(len(plain)))
    yield "hex", plain.hex().encode()
    yield "HEX", plain.hex().upper().encode()
    for offset in range(3):
        inner = _inside(base64.b64encode(b"\0" * offset + plain), offset, len(plain))
        yield f"base64 at {offset}", inner
        urlsafe = inner.translate(bytes.maketrans(b"+/", b"-_"))
        if urlsafe != inner:
            yield f"base64url at {offset}", urlsafe


def _inside(encoded: bytes, offset: int, length: int) -> bytes:
    """The characters that depend on the secret alone, whatever stands before and after it."""
    first = -(-offset * 8 // 6)
    last = (offset + length) * 8 // 6
    return encoded[first:last]
