"""What is kept of a decision is enough to make it again, from the JSON alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given

from roony.core.budget import Budget
from roony.core.control import EMPTY, FIELDS, MIN_CARD_TTL_SECONDS, Controls, parse_controls
from roony.core.decision import Ask, Facts, decide
from roony.core.inputs import inputs_of
from roony.core.merchant import Merchant
from roony.core.purchase import Recurring
from tests.core.rows import AGENT, CONNECTION, ORGANIZATION, PROJECT, row
from tests.core.test_decision import ALL_FACTS, ASKS, EASY_FACTS, NOW


def restored(said: dict[str, Any]) -> tuple[Ask, Facts, int]:
    """Ask, facts and time, as anybody would read them from the format."""
    asked, organization, connection = said["ask"], said["organization"], said["connection"]
    ask = Ask(
        asked["amount"], asked["currency"], Merchant(**asked["merchant"]), asked["task_id"], asked["allow_duplicate"],
        asked["merchant_lock"], Recurring(*asked["recurring"]) if asked["recurring"] else None,
    )  # fmt: skip
    frozen = {name: said[name] and (1 if said[name]["frozen"] else None) for name in ("project", "agent")}
    facts = Facts(
        organization=ORGANIZATION._replace(
            currency=organization["currency"], time_zone=organization["time_zone"],
            unbudgeted=int(organization["unbudgeted"]), frozen_at=1 if organization["frozen"] else None,
        ),
        project=PROJECT._replace(frozen_at=frozen["project"]) if said["project"] else None,
        agent=AGENT._replace(frozen_at=frozen["agent"]) if said["agent"] else None,
        connection=CONNECTION._replace(
            id=connection["id"], status=connection["status"], currency=connection["currency"],
            catching_up_since=None if connection["approves"] else 1,
        ) if connection else None,
        controls=tuple((level["scope"], parse_controls(level["controls"])) for level in said["controls"]),
        budgets=tuple(
            (
                row(Budget, id=b["id"], scope=b["scope"], scope_id=b["scope_id"], currency=b["currency"],
                    period=b["period"], limit_amount=b["limit"]),
                b["held"], b["spent"],
            )
            for b in said["budgets"]
        ),
        duplicate_of=said["duplicate_of"],
        velocity=(said["velocity"][0], said["velocity"][1]),
        merchant_known=said["merchant_known"],
    )  # fmt: skip
    return ask, facts, said["at"]


def settable(controls: Controls) -> Controls:
    """The same as far as an owner can set it: no list that allows nothing, no card of some seconds."""
    seconds = controls.card_ttl_seconds
    lists = {name: getattr(controls, name) or None for name in FIELDS if name.startswith("allowed_")}
    return replace(controls, **lists, card_ttl_seconds=None if seconds is None else max(seconds, MIN_CARD_TTL_SECONDS))


@given(ask=ASKS, facts=ALL_FACTS | EASY_FACTS)
def test_the_kept_inputs_decide_the_same_again(ask: Ask, facts: Facts) -> None:
    facts = replace(facts, controls=tuple((scope, settable(controls)) for scope, controls in facts.controls))
    said = json.loads(json.dumps(inputs_of(ask, facts, {"agt_1": 3}, NOW)))
    again = restored(said)
    assert decide(*again) == decide(ask, facts, NOW)
    assert said["control_versions"] == {"agt_1": 3}
    assert inputs_of(again[0], again[1], {"agt_1": 3}, again[2]) == said
    assert len(said["controls"]) == sum(controls != EMPTY for _, controls in facts.controls)
