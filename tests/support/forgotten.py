"""Rows that are over for long, one of each kind of an organization, and the writes that forget them."""

from __future__ import annotations

from typing import Any

from roony.core.duration import DAY, HOUR
from roony.core.notification import NoticeDelivery
from roony.core.purchase import Velocity
from roony.core.reconciliation import Reconciliation
from roony.flows.reconciliation.start import _forget
from roony.store import deliveries
from roony.store.forgetting import forget
from roony.store.outbox import new_promise
from roony.store.rows import OutboxPromise
from tests.support.books import AGENT, CONNECTION, NOW

FORGETTING = (forget("promises", NOW), forget("velocities", NOW), deliveries.forget("dead", NOW), _forget(NOW))
FORGOTTEN = (OutboxPromise, Velocity, NoticeDelivery, Reconciliation)


def forgotten_rows(org: str) -> list[Any]:
    """Of 400 days ago; a run that found nothing."""
    old = NOW - 400 * DAY
    return [
        new_promise(org, "out_1", "x", "x", {}, old)._replace(status="done", finished_at=old),
        Velocity(org, AGENT, old // HOUR, 1, 100),
        NoticeDelivery(org, "dlv_1", "whe_1", 1, 0, "x", "{}", "dead", 1, 0, 0, 1, 500, "x", old, old, old),
        Reconciliation(
            org, "rec_1", CONNECTION, "events", "timed", "finished", old, old, "{}", 0, 0, 0, 0, 0, 0, 0, "{}", None,
            "roony", old, old, old,
        ),
    ]  # fmt: skip
