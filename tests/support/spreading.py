"""Whether a statement keeps to organizations, read from its syntax tree, and all statements the till's connection runs.

A database spread by organization finds the rows of a statement on one node only if the statement says which
organization they are of: by a value, by a list of keys, or by a join with rows of which that is known.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import sqlglot
from sqlalchemy import Table
from sqlalchemy.sql.elements import ClauseElement
from sqlglot import exp

from roony.store import statements, tables
from roony.store.book import GROUPED_BY
from roony.store.postgres_writer import PostgresWriter
from roony.store.tables import TABLE_OF, metadata

MONEY_TABLES = tuple(table for table in metadata.sorted_tables if "organization_id" in table.info["key"])
PACKAGE = Path(statements.__file__).resolve().parents[1]
# What rows are spread by: an organization's own row lies with all that belongs to it.
SPREAD_BY = {table.name: "organization_id" for table in MONEY_TABLES} | {"organizations": "id"}
# Rows found by a key of their own (design section 13), or by a secret alone, before anybody knows whose they are.
ROUTING = {table.name for table in metadata.sorted_tables} - SPREAD_BY.keys()
# What makes SQL text, and words that touch no row.
_MAKERS = {"select_by", "write_row", "write_new", "update_rows", "finish_event", "finish_promise", "lock_organizations"}
_NO_ROWS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SELECT (extract(epoch FROM clock_timestamp())")
_SCOPES = (exp.Select, exp.Update, exp.Delete)


def strays(sql: str) -> set[str]:
    """The spread tables of which a statement touches rows without saying of which organization."""
    tree = sqlglot.parse_one(sql, read="postgres")
    if isinstance(tree, exp.Insert):
        return _insert(tree)
    found: set[str] = set()
    known = {cte.alias: not _strays_of(cte.this, {}, found) for cte in tree.find_all(exp.CTE)}
    _strays_of(tree, known, found)
    return found


def _insert(tree: exp.Insert) -> set[str]:
    """Whole rows: the organization is among the columns, and among those by which a row is the same as another."""
    table = tree.this.this.name
    wanted = SPREAD_BY.get(table)
    conflict = tree.args.get("conflict")
    by = [key.name or key.this.name for key in (conflict.args.get("conflict_keys") or ())] if conflict else []
    named = wanted in {column.name for column in tree.this.expressions} and (not by or wanted in by)
    return set() if wanted is None or named else {table}


def _strays_of(scope: exp.Expression, known: dict[str, bool], found: set[str]) -> set[str]:
    """The strays of one query and of those inside it, added to `found`. `known` says of names around it the same."""
    if isinstance(scope, exp.SetOperation):
        return _strays_of(scope.left, known, found) | _strays_of(scope.right, known, found)
    sources = dict(_sources(scope))
    conditions = list(_conditions(scope))
    said = {name: _is_known(source, known) for name, source in sources.items()}
    # From one table to the next: each that is tied to a known one is known.
    for _ in sources:
        for name, source in sources.items():
            said[name] = said[name] or any(_ties(each, name, source, known | said) for each in conditions)
    missing = {source.name for name, source in sources.items() if _is_spread(source) and not said[name]}
    for name, source in sources.items():
        if isinstance(source, exp.Subquery) and not (said[name] and _passes_on(source.this)):
            missing |= _strays_of(source.this, known, found)
    for each in conditions:
        for inner in _queries_in(each):
            missing |= _strays_of(inner, known | said, found)
    found |= missing
    return missing


def _sources(scope: exp.Expression) -> Iterator[tuple[str, exp.Expression]]:
    """What the rows come from, by the names used in the conditions."""
    places = [scope.this] if isinstance(scope, exp.Update | exp.Delete) else []
    origin = scope.args.get("from_") or scope.args.get("from")
    places += [origin.this] if origin else []
    places += [join.this for join in scope.args.get("joins") or ()]
    # DELETE … USING
    places += scope.args.get("using") or []
    for place in places:
        yield from ((join.this.alias_or_name, join.this) for join in place.args.get("joins") or ())
        yield place.alias_or_name, place


def _conditions(scope: exp.Expression) -> Iterator[exp.Expression]:
    """What must all be true of a row; what an outer join says need not be."""
    where = scope.args.get("where")
    places = [where.this] if where else []
    for place in [scope.args.get("from_"), *(scope.args.get("joins") or ())]:
        joins = [join for join in place.find_all(exp.Join) if not join.side] if place else []
        places += [join.args["on"] for join in joins if join.args.get("on")]
    for place in dict.fromkeys(places):
        yield from (each.unnest() for each in (place.flatten() if isinstance(place, exp.And) else [place]))


def _queries_in(condition: exp.Expression) -> list[exp.Expression]:
    """The outermost queries inside a condition."""
    if isinstance(condition, (*_SCOPES, exp.SetOperation)):
        return [condition]
    return [query for part in condition.iter_expressions() for query in _queries_in(part)]


def _is_spread(source: exp.Expression) -> bool:
    return isinstance(source, exp.Table) and source.name in SPREAD_BY


def _is_known(source: exp.Expression, known: dict[str, bool]) -> bool:
    """Keys given with the statement, rows that every node has, and names of queries before it."""
    if isinstance(source, exp.Table) and not _is_spread(source):
        return known.get(source.name, source.name in ROUTING)
    return isinstance(source, exp.Unnest)


def _ties(condition: exp.Expression, name: str, source: exp.Expression, known: dict[str, bool]) -> bool:
    """Whether a condition says of which organization the rows of `name` are."""
    wanted = SPREAD_BY.get(source.name, "organization_id") if isinstance(source, exp.Table) else "organization_id"
    if isinstance(condition, exp.In):
        columns = condition.this.expressions if isinstance(condition.this, exp.Tuple) else [condition.this]
        at = next((at for at, one in enumerate(columns) if _is(one, name, wanted)), None)
        query = condition.args.get("query")
        if at is None or query is None:
            return at is not None
        picked = query.this.expressions[at]
        return _gives(picked.unalias(), known | dict.fromkeys(_known_in(query.this, known), True))
    if not isinstance(condition, exp.EQ):
        return False
    left, right = condition.left, condition.right
    return (_is(left, name, wanted) and _gives(right, known)) or (_is(right, name, wanted) and _gives(left, known))


def _known_in(query: exp.Expression, known: dict[str, bool]) -> list[str]:
    return [name for name, source in _sources(query) if _is_known(source, known)]


def _is(one: exp.Expression, name: str, column: str) -> bool:
    return isinstance(one, exp.Column) and one.name == column and one.table in ("", name)


def _gives(one: exp.Expression, known: dict[str, bool]) -> bool:
    """A value given with the statement, or the organization of a row of which it is known."""
    while isinstance(one, exp.Cast | exp.Any | exp.Paren):
        one = one.this
    if isinstance(one, exp.Column):
        is_key = one.name in ("organization_id", "k0") or SPREAD_BY.get(one.table) == one.name
        return is_key and known.get(one.table, False)
    return isinstance(one, exp.Placeholder | exp.Parameter | exp.Literal)


def _passes_on(query: exp.Expression) -> bool:
    """Whether what is said of a query's organization is said of every table in it."""
    if isinstance(query, exp.SetOperation):
        return _passes_on(query.left) and _passes_on(query.right)
    return all(
        any(_is(picked.unalias(), name, SPREAD_BY[source.name]) for picked in query.expressions)
        for name, source in _sources(query)
        if _is_spread(source)
    )


class Found(NamedTuple):
    """A statement the till's connection runs, and where it stands."""

    where: str
    sql: str


@cache
def statements_of_the_till() -> tuple[Found, ...]:
    """Every statement for PostgreSQL: made from the tables, or written out where it is run.

    Raises AssertionError for one that is built while it is run, which cannot be looked at here.
    """
    return (*_from_tables(), *_from_code())


def _from_tables() -> Iterator[Found]:
    for table in tables.metadata.sorted_tables:
        yield Found(f"rows of {table.name}", statements.select_by(table, tuple(table.info["key"]), "postgresql"))
        yield Found(f"new {table.name}", statements.write_row(table, "postgresql"))
        place = next((at for at, column in enumerate(table.columns) if not column.primary_key), 0)
        yield Found(f"changed {table.name}", statements.update_rows(table, (place,), "postgresql"))
        yield Found(f"several new {table.name}", statements.write_columns(table).replace("%b", "%s"))
        # `update_columns` is run where one machine has all rows, and `update_rows` on a spread database.
    for row, columns in GROUPED_BY.items():
        for column in columns:
            by = ("organization_id", column)
            yield Found(f"{TABLE_OF[row].name} by {column}", statements.select_by(TABLE_OF[row], by, "postgresql"))
    for skip_locked in (False, True):
        for alone in (False, True):
            yield Found("lock", statements.lock_organizations(skip_locked, alone))
    yield Found("finish_event", statements.finish_event("postgresql"))
    yield Found("finish_promise", statements.finish_promise("postgresql"))


def _from_code() -> Iterator[Found]:
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "Writer" not in text or path.name == "writer.py":
            continue
        tree = ast.parse(text)
        for call in _calls_on_a_writer(tree):
            place = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            yield from run_by(call, place)


def _calls_on_a_writer(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls on what a function takes as the Writer, or on one it keeps as `_writer`."""
    names = {"self._writer"}
    names |= {
        argument.arg
        for argument in ast.walk(tree)
        if isinstance(argument, ast.arg) and argument.annotation and ast.unparse(argument.annotation) == "Writer"
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            owner = call.func.value
            if isinstance(owner, ast.Name | ast.Attribute) and ast.unparse(owner) in names:
                yield call


def run_by(call: ast.Call, place: str) -> Iterable[Found]:
    """The statements a call on a Writer in a module runs. Raises AssertionError where they are not to be seen."""
    does, line = getattr(call.func, "attr", ""), f"{place}:{call.lineno}"
    said = ast.unparse(call.args[0]) if call.args else ""
    if does == "execute":
        name = said.partition("[")[0]
        assert hasattr(importlib.import_module(place), name), f"{line}: {said} is not a constant of its module"
        return [Found(f"{place}.{name}", sql) for sql in _compiled(getattr(importlib.import_module(place), name))]
    if does in ("run", "run_many"):
        no_rows = isinstance(call.args[0], ast.Constant) and str(call.args[0].value).startswith(_NO_ROWS)
        assert no_rows or said.partition("(")[0] in _MAKERS, f"{line}: {said} is made nowhere one can look"
    if does == "rows_by" and isinstance(call.args[1], ast.Tuple) and isinstance(call.args[1].elts[0], ast.Constant):
        try:
            by = tuple(ast.literal_eval(call.args[1]))
        except ValueError:
            return ()  # a group of GROUPED_BY
        table = _table(place, said)
        return [Found(line, statements.select_by(table, by, "postgresql"))]
    return ()


def _table(place: str, said: str) -> Table:
    if said.startswith("table_of("):
        return TABLE_OF[getattr(importlib.import_module(place), said.removeprefix("table_of(").rstrip(")"))]
    return tables.metadata.tables[said.rpartition(".")[2]]


def _compiled(value: Any) -> list[str]:
    if isinstance(value, ClauseElement):
        return [str(value.compile(dialect=PostgresWriter.dialect))]
    if isinstance(value, dict):
        # One for each database, or one for each kind of row.
        value = [value["postgresql"]] if "postgresql" in value else value.values()
    return [sql for one in value for sql in _compiled(one)]
