"""How commands speak: results to stdout, as text or as JSON; refusals to stderr, with what to do; exit codes.

With --json a refusal is on stdout too, as an error of the API: `roony/cli/failure.py` prints it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roony.core.duration import local_time
from roony.core.money import format_amount
from roony.core.text import visible

DONE, FAILED, WRONG_USE, WAITING, DECLINED = 0, 1, 2, 3, 4
# What went wrong on this side, where no answer of the API says it.
Code = Literal[
    "wrong_use", "no_key", "unreachable", "no_answer_of_roony", "database_in_use", "database_away", "wrong_schema",
    "failed", "interrupted", "internal",
]  # fmt: skip

# Wider than any table: in a file or a pipe every row is one line, so that no id is cut in two.
PIPED_WIDTH = 10_000

JsonOption = typer.Option(False, "--json", help="Print JSON instead of text.")


def console() -> Console:
    """Where results go."""
    terminal = sys.stdout.isatty()
    # No markup: what stands in brackets in a merchant's name is part of the name.
    return Console(
        width=None if terminal else PIPED_WIDTH, highlight=False, soft_wrap=not terminal, markup=False, emoji=False
    )


def say(text: str, err: bool = False) -> None:
    """One line with words from outside, such as a merchant's name: nothing in it moves the cursor or hides."""
    typer.echo(visible(text), err=err)


# Whether this command has printed its JSON: what went wrong after that stands in it.
answered: ContextVar[bool] = ContextVar("answered", default=False)


class Failed(typer.Exit):
    """A command that ended without what was wanted; `error` says why as the API would."""

    def __init__(self, code: int, error: Mapping[str, Any]) -> None:
        super().__init__(code)
        self.error = error


def fail(message: str, code: int = FAILED, error: Code | Mapping[str, Any] | None = None) -> NoReturn:
    """Ends the command with one message on stderr, and with this exit code.

    `error` is what programs are told: the error that Roony answered with, or a code of ours for the same message.
    """
    say(message, err=True)
    if not isinstance(error, Mapping):
        error = {"code": error or ("wrong_use" if code == WRONG_USE else "failed"), "message": message}
    raise Failed(code, error)


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    answered.set(True)
    say(json.dumps(value, indent=2, ensure_ascii=False))


def print_one(value: Mapping[str, Any], as_json: bool) -> None:
    """One thing, a line for each of its fields."""
    if as_json:
        print_json(value)
        return
    shown = {name: text for name, field in value.items() if (text := _text(name, field, value)) != ""}
    width = max(map(len, shown), default=0)
    for name, text in shown.items():
        typer.echo(f"{name:<{width}}  {text}")


def print_list(answer: Mapping[str, Any], columns: Sequence[str], as_json: bool, empty: str) -> None:
    """A list as a table of some columns; `empty` says what to do when there is nothing."""
    if as_json:
        print_json(answer)
        return
    rows = answer["data"]
    if not rows:
        typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column.endswith("id"), overflow="fold")
    for row in rows:
        # As text, not as markup: a merchant named `[link=…]` or `[/x]` by an agent is shown as it is written.
        table.add_row(*(Text(_text(column, row.get(column), row)) for column in columns))
    console().print(table)
    if answer.get("next_cursor"):
        typer.echo(f"There are more: add --cursor {answer['next_cursor']}")


def money(amount: int | None, currency: str) -> str:
    """An amount in minor units as people write it; None is no limit."""
    return "no limit" if amount is None else format_amount(amount, currency)


def instant(microseconds: int) -> str:
    """A time as RFC 3339 UTC."""
    return local_time(microseconds).isoformat(timespec="seconds").replace("+00:00", "Z")


_AMOUNTS = frozenset(
    {"amount", "limit", "held", "spent", "available", "captured_amount", "refunded_amount", "hard_limit", "hold_amount"}
)


def _text(name: str, value: Any, row: Mapping[str, Any]) -> str:
    """One field as text on one line; amounts with the currency of their row."""
    if name in _AMOUNTS and isinstance(row.get("currency"), str) and (value is None or isinstance(value, int)):
        return money(value, row["currency"])
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list):
        return visible(json.dumps(value, ensure_ascii=False)) if value else ""
    # On one line: what follows a line break would look like a field of ours.
    return visible(str(value)).replace("\n", "\\n")
