"""Scenes about unusual patterns: an agent is told of and frozen together, once, and the alert ends by itself."""

from __future__ import annotations

from typing import Any

from roony.core.agent import Agent
from roony.core.alert import Alert
from roony.core.anomaly.rules import DECLINES_BARE
from tests.chaos.scenes import Arm, scene
from tests.support.crashing import ADMIN, Crashable
from tests.support.serving import Caller

PATTERN = "unusual_many_declines"


def told(company: Crashable, agent: Caller) -> list[Any]:
    """The alerts of the agent's pattern, of which there is one row at most."""
    return list(company.books.rows(Alert, kind=PATTERN, subject=agent.agent_id))  # type: ignore[attr-defined]


def tries_too_much(company: Crashable) -> Caller:
    """An agent that has asked for as much as a new one may before somebody is told, and once more."""
    agent = company.agent(controls={"purchase_limit": 100})
    for number in range(DECLINES_BARE - 1):
        assert company.ask(agent, 200 + number)["status"] == "declined"
    return agent


@scene("direct", "TellPattern")
def a_pattern_is_told_and_the_agent_frozen(company: Crashable, arm: Arm) -> None:
    company.send(company.owner, "PATCH", f"{ADMIN}/organization", {"patterns": {"freeze": ["many_declines"]}})
    try:
        agent = tries_too_much(company)
        arm()
        company.ask(agent, 1_000)
        company.until(lambda: told(company, agent) != [])
        [alert], [row] = told(company, agent), company.books.rows(Agent, id=agent.agent_id)  # type: ignore[attr-defined]
        assert (alert.status, alert.times, row.frozen_at is not None) == ("open", 1, True)
        assert alert.message.endswith("Roony froze the agent.")
        company.settle()
        assert told(company, agent)[0].times == 1
    finally:
        company.send(company.owner, "PATCH", f"{ADMIN}/organization", {"patterns": {"freeze": []}})


@scene("direct", "EndPattern")
def a_pattern_that_is_over_ends(company: Crashable, arm: Arm) -> None:
    agent = tries_too_much(company)
    company.ask(agent, 1_000)
    company.until(lambda: told(company, agent) != [])
    arm()
    # A week is over.
    company.sql("UPDATE alerts SET updated_at = 0 WHERE subject = :agent", agent=agent.agent_id)  # type: ignore[attr-defined]
    company.until(lambda: told(company, agent)[0].status == "closed")
    assert (told(company, agent)[0].closed_by, told(company, agent)[0].times) == ("roony", 1)
