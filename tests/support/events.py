"""Reading Server-Sent Events as a browser does, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx2


class Event(NamedTuple):
    """One event with the id its reader knows after it; a comment that only carries an id has no type."""

    id: str
    type: str | None
    data: Any


@contextmanager
def listening(url: str, key: str, path: str, after: str | None = None) -> Iterator[Iterator[Event]]:
    """The events of a stream as they come; fails where none comes for 30 s."""
    headers = {"Authorization": f"Bearer {key}", **({"Last-Event-ID": after} if after is not None else {})}
    with (
        httpx2.Client(base_url=url, timeout=30, trust_env=False, verify=False) as http,
        http.stream("GET", path, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    """Blocks of lines, each ended by an empty one."""
    fields: dict[str, str] = {}
    id = ""
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        id = fields.get("id", id)
        yield Event(id, fields.get("event"), json.loads(fields["data"]) if "data" in fields else None)
        fields = {}


def told(events: Iterator[Event], count: int) -> list[Event]:
    """The next events that say something."""
    found: list[Event] = []
    for event in events:
        if event.type is not None:
            found.append(event)
        if len(found) == count:
            break
    return found
