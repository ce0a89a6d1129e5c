"""Watches the official SDK at work: every exchange is checked against the published shapes as it happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import stripe

from tests.support.stripe_spec import Spec


class Record:
    """What was driven, what was wrong with it, and what else did not hold."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.driven: dict[str, int] = {}
        self.wrong: dict[str, set[str]] = {}
        self.operation = ""

    def take(self, method: str, url: str, status: int, body: Any) -> None:
        """Check one answer of the simulator."""
        self.operation = self.spec.find(method, url) or f"{method.upper()} {url}"
        if self.operation not in self.spec.operations:
            self.complain(self.operation, "not a published operation")
            return
        if status == 200:
            self.driven[self.operation] = self.driven.get(self.operation, 0) + 1
        for complaint in self.spec.complaints(self.operation, status, body):
            self.complain(self.operation, f"{status} {complaint}")
        if self.operation == "GET /v1/events":
            for event in body.get("data", ()):
                self._look_inside(event)

    def _look_inside(self, event: Any) -> None:
        thing = event["data"]["object"]
        for complaint in [] if thing.get("deleted") else self.spec.object_complaints(thing):
            self.complain(f"event {event['type']}", complaint)

    def complain(self, operation: str, complaint: str) -> None:
        """Remember that something is not as published."""
        self.wrong.setdefault(operation, set()).add(complaint)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let one step of the drive fail without ending the others."""
        try:
            yield
        except Exception as error:  # the drive goes on: one failed operation must not hide the rest
            self.complain(self.operation, f"{type(error).__name__}: {str(error)[:300]}")

    def equal(self, created: Any, read: Any, how: str) -> None:
        """Check that an object reads back as it was made."""
        before, after = created.to_dict(), read.to_dict()
        different = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        if different:
            self.complain(self.operation, f"read back by {how}, {different} of {created.id} differ")


class RecordingClient(stripe.RequestsClient):
    """The SDK's own HTTP client, with somebody looking over its shoulder."""

    def __init__(self, record: Record) -> None:
        super().__init__(timeout=30)
        self.record = record

    def request(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
        """Send, then check what came back."""
        answer = super().request(method, url, headers, post_data)
        content, status = answer[0], answer[1]
        self.record.take(method, url, status, json.loads(content))
        return answer


def read_back(record: Record, created: Any, retrieve: Callable[[str], Any], listing: Callable[[], Any]) -> None:
    """Check that an object is the same by retrieve and by list."""
    record.equal(created, retrieve(created.id), "retrieve")
    found = [one for one in listing().auto_paging_iter() if one.id == created.id]
    if len(found) != 1:
        record.complain(record.operation, f"{created.id} is in the list {len(found)} times")
    else:
        record.equal(created, found[0], "list")
