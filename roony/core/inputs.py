"""What a decision looked at, as JSON kept with it: enough to explain it and to decide it again (section 6)."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from roony.core.agent import Agent, Organization, Project
from roony.core.budget import Budget
from roony.core.connection import Connection
from roony.core.control import EMPTY, Controls, dump, parse_controls
from roony.core.decision import Ask, Facts
from roony.core.merchant import Merchant
from roony.core.purchase import Recurring

_Member = TypeVar("_Member", Project, Agent)


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
            {"scope": scope, "controls": _dumped(controls)}
            for scope, controls in facts.controls
            if controls is not EMPTY and controls != EMPTY
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


def with_earlier(decision: dict[str, Any], earlier: str, asked_at: int, now: int) -> dict[str, Any]:
    """A decision that takes the place of `earlier`: the one made at the ask stays with it, and each raised price.

    `asked` is left out where a release that did not keep it has replaced it before.
    """
    before = json.loads(earlier)
    asked = before.get("asked")
    if asked is None and before.get("inputs", {}).get("at") == asked_at:
        asked = {name: before[name] for name in ("verdict", "reasons", "inputs")}
    prices = before.get("raised", [])
    if decision["verdict"] != "declined":
        prices = [*prices, [now, decision["inputs"]["ask"]["amount"]]]
    return {**decision, **({"asked": asked} if asked else {}), **({"raised": prices} if prices else {})}


@lru_cache(maxsize=4_096)
def _dumped(controls: Controls) -> dict[str, Any]:
    """Of the few controls that count, for every ask the same; nobody changes it."""
    return dump(controls)


class Inputs(NamedTuple):
    """What `decide()` is given to make a kept decision again; `now` in microseconds UTC."""

    ask: Ask
    facts: Facts
    now: int


def read_inputs(said: dict[str, Any]) -> Inputs | None:
    """Ask, facts and time as they were; None where a release before 0005 kept less. Columns unused there are blank."""
    if "at" not in said or "ask" not in said:
        return None
    asked, organization, connection = said["ask"], said["organization"], said["connection"]
    ask = Ask(
        asked["amount"], asked["currency"], Merchant(**asked["merchant"]), asked["task_id"], asked["allow_duplicate"],
        asked["merchant_lock"], Recurring(*asked["recurring"]) if asked["recurring"] else None,
    )  # fmt: skip
    facts = Facts(
        organization=_BLANK[Organization]._replace(
            currency=organization["currency"], time_zone=organization["time_zone"],
            unbudgeted=int(organization["unbudgeted"]), frozen_at=1 if organization["frozen"] else None,
        ),
        project=_member(Project, said["project"]),
        agent=_member(Agent, said["agent"]),
        connection=_BLANK[Connection]._replace(
            id=connection["id"], status=connection["status"], currency=connection["currency"],
            catching_up_since=None if connection["approves"] else 1,
        ) if connection else None,
        controls=tuple((level["scope"], _controls(json.dumps(level["controls"]))) for level in said["controls"]),
        budgets=tuple((_budget(row), row["held"], row["spent"]) for row in said["budgets"]),
        duplicate_of=said["duplicate_of"],
        velocity=(said["velocity"][0], said["velocity"][1]),
        merchant_known=said["merchant_known"],
    )  # fmt: skip
    return Inputs(ask, facts, said["at"])


def _member(row: type[_Member], said: dict[str, Any] | None) -> _Member | None:
    member: _Member | None = _BLANK[row]._replace(frozen_at=1 if said["frozen"] else None) if said else None
    return member


def _budget(row: dict[str, Any]) -> Budget:
    budget: Budget = _BLANK[Budget]._replace(
        id=row["id"], scope=row["scope"], scope_id=row["scope_id"], currency=row["currency"], period=row["period"],
        limit_amount=row["limit"],
    )  # fmt: skip
    return budget


@lru_cache(maxsize=4_096)
def _controls(text: str) -> Controls:
    return parse_controls(json.loads(text))


def _make_blank(row: type) -> Any:
    hints = get_type_hints(row)
    return row(**{name: None if type(None) in get_args(hint) else hint() for name, hint in hints.items()})


def _ask(ask: Ask) -> dict[str, Any]:
    return {
        "amount": ask.amount, "currency": ask.currency, "merchant": ask.merchant.known(),
        "task_id": ask.task_id, "allow_duplicate": ask.allow_duplicate, "merchant_lock": ask.merchant_lock,
        "recurring": list(ask.recurring) if ask.recurring is not None else None,
    }  # fmt: skip


def _connection(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.id, "status": connection.status, "currency": connection.currency,
        "approves": connection.approves,
    }  # fmt: skip


_BLANK = {row: _make_blank(row) for row in (Agent, Budget, Connection, Organization, Project)}
