"""Reconciliation: what Stripe knows is fetched and compared, at a pace, after a gap, and when a person asks.

Webhooks get lost. A run reads what they should have brought and feeds it through the same functions: events into the
inbox, objects into the commands of settlement. Then both sides are compared, and what is missing on one is flagged.
"""

from __future__ import annotations

from roony.flows.reconciliation.run import keep_reconcile
from roony.flows.reconciliation.start import ReconciliationDuty, begin_catch_up, start_by_hand

__all__ = ["ReconciliationDuty", "begin_catch_up", "keep_reconcile", "start_by_hand"]
