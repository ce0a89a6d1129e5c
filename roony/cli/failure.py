"""How a command fails: whoever said --json is told why as JSON, in the shape in which the API tells of errors.

All commands pass through here, so that none of them has to think of it.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from roony.cli.output import WRONG_USE, Code, Failed, answered, say

_AS_JSON = "roony.as_json"


class Commands(TyperGroup):
    """The tree of all commands. With --json, what ends without an answer prints one line: `{"error":{…}}`."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Reads the options before the command; those of the command are read by `invoke`."""
        as_json = _wants_json(args)
        with _told(as_json):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_AS_JSON] = as_json
        return context

    def invoke(self, ctx: Any) -> Any:
        """Reads the rest of the command line, and does what it says."""
        with _told(ctx.meta[_AS_JSON]):
            return super().invoke(ctx)


def _wants_json(words: Sequence[str]) -> bool:
    """Looked for among the words themselves: where they cannot be read, no command knows its options."""
    return "--json" in (words[: words.index("--")] if "--" in words else words)


@contextmanager
def _told(as_json: bool) -> Iterator[None]:
    """Prints why what happens here failed, and lets it fail: the exit code and the words for people stay."""
    answered.set(False)
    try:
        yield
    except BaseException as stopped:
        error = _error(stopped) if as_json and not answered.get() else None
        if error is not None:
            # On one line, so that it may end a stream of lines that broke off.
            say(json.dumps({"error": error}, ensure_ascii=False))
        raise


def _error(stopped: BaseException) -> dict[str, Any] | None:
    """What programs are told; None where nothing went wrong, or nobody reads any more."""
    if isinstance(stopped, Failed):
        return {**stopped.error}
    if isinstance(stopped, typer.Exit | SystemExit):
        code = stopped.exit_code if isinstance(stopped, typer.Exit) else stopped.code
        return _own("failed", "It failed.") if code else None
    if isinstance(stopped, typer.TyperException):
        return _of_parser(stopped)
    if isinstance(stopped, KeyboardInterrupt | EOFError | typer.Abort):
        return _own("interrupted", "Interrupted. What was done until then stays.")
    if isinstance(stopped, OSError) and stopped.errno == errno.EPIPE:
        return None
    # The message of an error that nobody expected may hold what is secret.
    return _own("internal", f"Something went wrong in this command ({type(stopped).__name__}); see stderr.")


def _of_parser(wrong: typer.TyperException) -> dict[str, Any]:
    """What the reader of the command line refused, with the option or argument where it is about one."""
    error = _own("wrong_use" if wrong.exit_code == WRONG_USE else "failed", wrong.format_message())
    parameter = getattr(wrong, "param", None)
    if parameter is not None:
        error["field"] = parameter.opts[0]
    return error


def _own(code: Code, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
