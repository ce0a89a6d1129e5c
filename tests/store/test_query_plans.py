"""Whatever has piled up, rows are found by an index: the till's statements and every list, by the databases' plans."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest
from sqlalchemy import Integer, LargeBinary, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Delete, Update
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.sql.sqltypes import TupleType

import roony
from roony.store.book import GROUPED_BY
from roony.store.queries.paging import encode_cursor
from roony.store.statements import finish_event, finish_promise, select_by, update_columns, update_rows
from roony.store.tables import TABLE_OF, metadata
from tests.support.books import Books
from tests.support.plans import Listener, Statement, full_scans, sorted_lists
from tests.support.postgres import books_database
from tests.support.serving import ServedRoony, serve
from tests.support.tills import DATABASES
from tests.support.walking import filtered, walk
from tests.web.conftest import signed_in, waiting

# One row, or a few, for each organization, and runs that are soon forgotten: duties look at all of them.
FEW = {
    "organizations", "connections", "notice_cursors", "webhook_endpoints", "message_recipients", "reconciliations",
}  # fmt: skip
# What filters take where any word will not do.
WORDS = {"kind": "over_capture", "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
# Of lists by time and id, and of those by number.
CURSORS = (encode_cursor((1, "x")), encode_cursor((1,)))
GROWING = set(metadata.tables) - FEW
# As many as people set up: a page of these may sort them.
SET_UP = {"agents", "projects", "budgets", "budget_periods", "users", "access_keys", "passkeys"}
_DIALECTS = {"sqlite": sqlite.dialect(paramstyle="qmark"), "postgresql": postgresql.dialect(paramstyle="format")}  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module", params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with books_database(request.param) as url, serve(tmp_path_factory.mktemp("plans"), database_url=url) as roony:
        yield roony


def test_rows_of_the_till_are_found_by_an_index(books: Books) -> None:
    """What it reads by keys and in groups, and what it writes back."""
    backend = "sqlite" if books.database.is_sqlite else "postgresql"
    statements: list[Statement] = []
    for row, table in TABLE_OF.items():
        key = tuple(table.info["key"])
        groups = [("organization_id", column) for column in GROUPED_BY.get(row, ()) if column not in key[:1]]
        statements += [(select_by(table, by, backend), _keys(table, by, backend)) for by in (key, *groups)]
        rest = [place for place, column in enumerate(table.columns) if column.name not in key][:1]
        if rest:
            columns = [table.columns[rest[0]], *(table.columns[name] for name in key)]
            statements.append((update_rows(table, tuple(rest), backend), [_value(column) for column in columns]))
            if backend == "postgresql":
                statements.append((update_columns(table, tuple(rest)), ["{}" for _ in columns]))
    statements += [(finish_event(backend), ["x", "x", "x", 1, 1, 1, "x", 1])]
    statements += [(finish_promise(backend), ["x", "x", 1, 1, 1, "x", 1, "x", "x", 1])]
    assert full_scans(books.database, statements, set(metadata.tables)) == {}


def _keys(table: Table, by: tuple[str, ...], backend: str) -> list[Any]:
    return ["[]"] if backend == "sqlite" else [[_value(table.columns[name])] for name in by]


def _value(column: Any) -> Any:
    return _of_type(column.type)


def _of_type(kind: Any) -> Any:
    if isinstance(kind, TupleType):
        return tuple(_of_type(one) for one in kind.types)
    return 1 if isinstance(kind, Integer) else b"x" if isinstance(kind, LargeBinary) else "x"


def test_statements_written_out_find_their_rows_by_an_index(books: Books) -> None:
    """Each that stands in a module: claims of events, promises and deliveries, and what is swept."""
    dialect = _DIALECTS["sqlite" if books.database.is_sqlite else "postgresql"]
    statements = [_compiled(statement, dialect) for statement in _written_out()]
    assert len(statements) > 10
    assert full_scans(books.database, statements, GROWING) == {}


def _written_out() -> Iterator[Any]:
    for module in pkgutil.walk_packages(roony.__path__, "roony."):
        if module.name.startswith(("roony.store", "roony.flows", "roony.worker")) and ".migrations" not in module.name:
            for value in vars(import_module(module.name)).values():
                some = value.values() if isinstance(value, dict) else [value]
                yield from (one for one in some if isinstance(one, SelectBase | Update | Delete))


def _compiled(statement: Any, dialect: Any) -> Statement:
    compiled = statement.compile(dialect=dialect)
    values = {}
    for bind, name in compiled.bind_names.items():
        some = [_value(bind)] if bind.expanding else _value(bind)
        some = compiled.params[name] if compiled.params[name] is not None else some
        # One name may stand in several places, in some of them without its type.
        values[name] = some if not isinstance(values.get(name), int) else values[name]
    run = compiled.construct_expanded_state(values)
    return run.statement, run.positional_parameters


def test_every_list_finds_its_rows_by_an_index(served: ServedRoony) -> None:
    """All pages of the dashboard and all lists of the API, by each of their filters."""
    company = served.company()
    waiting(served, company)
    database = served.context.database
    with signed_in(served, company) as browser:
        heard = Listener(database)
        visit = walk(browser)
        for route, link in visit.addresses.items():
            for address in filtered(link, visit.html[route]):
                assert browser.get(address).status_code == 200, address
            for place in ("cursor", "before"):
                for cursor in CURSORS:
                    at = f"{urlsplit(link).path}?{urlencode({place: cursor})}"
                    # A cursor of another kind of list is refused.
                    assert browser.get(at, follow_redirects=False).status_code < 500, at
    answers = {path: company.owner.call("GET", path).status_code for path in _api_lists(served)}
    assert [path for path, status in answers.items() if status not in (200, 404)] == []
    statements = heard.statements()
    assert len(statements) > 60
    assert full_scans(database, statements, GROWING) == {}
    assert sorted_lists(database, statements, GROWING - SET_UP) == set()


def _api_lists(served: ServedRoony) -> Iterator[str]:
    """Every list of the owner's API as it is, and by each filter."""
    document = httpx2.get(f"{served.url}/openapi.json", trust_env=False, timeout=None).json()
    for path, methods in document["paths"].items():
        parameters = methods.get("get", {}).get("parameters", ())
        names = {one["name"]: one["schema"] for one in parameters}
        if path.startswith("/api/v1/admin") and "{" not in path and "cursor" in names:
            if not any(one.get("required") for one in parameters):
                yield path
            for name, schema in names.items():
                if name not in ("cursor", "limit"):
                    words = [word for one in (schema, *schema.get("anyOf", ())) for word in one.get("enum", ())]
                    yield from (f"{path}?{urlencode({name: word})}" for word in (words or [WORDS.get(name, "nobody")]))
