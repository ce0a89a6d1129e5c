"""One call to Roony as a conversation without any input or output of its own, so that both clients share it.

A talk is a generator: it yields a `Request` and is sent back what came of it, or yields a `Pause`. The clients carry
the steps out, one with plain calls, one with asyncio; retries and errors are decided here.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from roony.client.errors import RoonyError, Unreachable

MAX_TRIES = 4
# The pause before the second try is up to the first of these, in seconds, and doubles up to the second one.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0
# Roony or a gateway before it is busy: nothing was done, or it is done once however often it is asked.
PASSING = frozenset({429, 502, 503, 504})
# Of 503: what was asked may have been done in part.
_HALF_DONE = frozenset({"stripe_unavailable", "unknown_outcome"})
# Longer than Roony waits before it answers an ask: 5 s for its place and 10 s for the card.
ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, and how long its answer may take. `repeatable`: to send it twice does no more than once."""

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    seconds: float = ANSWER_SECONDS
    repeatable: bool = True


class Reply(NamedTuple):
    """An answer, whatever its status; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lost(NamedTuple):
    """No answer: the request never left (`unsent`), may have arrived (`unanswered`), or cannot be sent at all."""

    kind: Literal["unsent", "unanswered", "impossible"]
    message: str


class Pause(NamedTuple):
    """Wait this many seconds."""

    seconds: float


Result = TypeVar("Result")
Talk = Generator[Request | Pause, Reply | Lost | None, Result]


def exchange(request: Request, most: int = MAX_TRIES) -> Talk[Reply]:
    """The good answer to a request, which is sent at most `most` times, where that can help.

    Raises RoonyError for a refusal, Unreachable when no answer came.
    """
    tries = 1
    while True:
        came = yield request
        if isinstance(came, Reply) and 200 <= came.status < 300:
            return came
        error = error_of(came) if isinstance(came, Reply) else unreachable(came)
        pause = max(backoff(tries), error.retry_after or 0.0)
        if tries == most or pause > LONGEST_PAUSE_SECONDS or not _may_repeat(request, came, error):
            raise error
        yield Pause(pause)
        tries += 1


def json_of(reply: Reply) -> dict[str, Any]:
    """The JSON object of a good answer. Raises RoonyError (`no_answer_of_roony`) when it holds none."""
    try:
        answer = json.loads(reply.body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _foreign(reply)
    return answer


def is_passing(error: RoonyError) -> bool:
    """True for an error that time may cure: busy, restarting, or not reachable."""
    return isinstance(error, Unreachable) or error.status in PASSING


def _may_repeat(request: Request, came: Reply | Lost | None, error: RoonyError) -> bool:
    if isinstance(came, Reply):
        # 502 and 504 are a gateway's: behind it the request may have been carried out.
        nothing_done = came.status in (429, 503) and error.code not in _HALF_DONE
        return came.status in PASSING if request.repeatable else nothing_done
    return came is not None and (came.kind == "unsent" or (came.kind == "unanswered" and request.repeatable))


def backoff(tries: int) -> float:
    """Seconds before the next try: half of the doubled pause for sure, the other half by chance."""
    longest = min(FIRST_PAUSE_SECONDS * (1 << min(tries - 1, 10)), LONGEST_PAUSE_SECONDS)
    return longest * (0.5 + secrets.randbelow(1_000) / 2_000)


def unreachable(lost: Lost | None) -> Unreachable:
    """The error for no answer."""
    return Unreachable("unreachable", lost.message if lost is not None else "No answer came.")


def error_of(reply: Reply) -> RoonyError:
    """The error in a refusing answer; what a gateway or another server says is not passed on as Roony's words."""
    try:
        error = json.loads(reply.body)["error"]
        return RoonyError(
            str(error["code"]), str(error["message"]), status=reply.status, field=error.get("field"),
            id=error.get("id"), reasons=error.get("reasons") or (), request_id=error.get("request_id"),
            retry_after=_retry_after(reply),
        )  # fmt: skip
    except (ValueError, LookupError, TypeError, AttributeError):
        return _foreign(reply)


def _foreign(reply: Reply) -> RoonyError:
    message = f"This is no answer of Roony (HTTP {reply.status}): look at the address."
    return RoonyError("no_answer_of_roony", message, status=reply.status, retry_after=_retry_after(reply))


def _retry_after(reply: Reply) -> float | None:
    """The seconds of `Retry-After`; a date there is not read."""
    given = reply.headers.get("retry-after", "")
    return float(given) if re.fullmatch(r"[0-9]{1,6}", given) else None
