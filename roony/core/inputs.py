"""What a decision looked at, as JSON kept with it: enough to explain it and to decide it again (section 6)."""

from __future__ import annotations

import json
from typing import Any

from roony.core.connection import Connection
from roony.core.control import EMPTY, dump
from roony.core.decision import Ask, Facts


def inputs_of(ask: Ask, facts: Facts, versions: dict[str, int], now: int) -> dict[str, Any]:
    """Everything `decide()` read; `versions` are those of the controls by scope id. Format: docs/architecture.md.

    Where nothing is set for a level its controls are left out. A missing project, agent or connection is null.
    """
    organization, project, agent = facts.organization, facts.project, facts.agent
    return {
        "at": now,
        "ask": _ask(ask),
        "organization": {
            "currency": organization.currency, "time_zone": organization.time_zone,
            "unbudgeted": bool(organization.unbudgeted), "frozen": organization.frozen_at is not None,
        },
        "project": {"frozen": project.frozen_at is not None} if project is not None else None,
        "agent": {"frozen": agent.frozen_at is not None} if agent is not None else None,
        "connection": _connection(facts.connection) if facts.connection is not None else None,
        "control_versions": versions,
        "controls": [
            {"scope": scope, "controls": dump(controls)} for scope, controls in facts.controls if controls != EMPTY
        ],
        "budgets": [
            {
                "id": budget.id, "scope": budget.scope, "scope_id": budget.scope_id, "currency": budget.currency,
                "period": budget.period, "limit": budget.limit_amount, "held": held, "spent": spent,
            }
            for budget, held, spent in facts.budgets
            if budget.limit_amount is not None
        ],
        "velocity": list(facts.velocity),
        "merchant_known": facts.merchant_known,
        "duplicate_of": facts.duplicate_of,
    }  # fmt: skip


def _ask(ask: Ask) -> dict[str, Any]:
    return {
        "amount": ask.amount, "currency": ask.currency, "merchant": json.loads(ask.merchant.to_json()),
        "task_id": ask.task_id, "allow_duplicate": ask.allow_duplicate, "merchant_lock": ask.merchant_lock,
        "recurring": list(ask.recurring) if ask.recurring is not None else None,
    }  # fmt: skip


def _connection(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.id, "status": connection.status, "currency": connection.currency,
        "approves": connection.approves,
    }  # fmt: skip
