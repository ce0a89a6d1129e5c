"""Unusual patterns as the owner sets them, asks for what would have been told, and is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from roony.web.schemas import Body, ListQuery
from roony.web.shape import AgentId, Count, Listed, Shape, Time, example, like

# Agents whose past is looked through for one answer.
MAX_AGENTS, FEW_AGENTS = 20, 5

Pattern = Literal[
    "card_testing", "many_declines", "burst", "under_threshold", "new_country", "off_hours", "new_merchants",
    "repeated_text", "price_drift",
]  # fmt: skip
Freezing = Literal[
    "card_testing", "many_declines", "burst", "under_threshold", "new_country", "off_hours", "new_merchants",
    "repeated_text",
]  # fmt: skip
Sensitivity = Literal["low", "normal", "high"]


class PatternsBody(Body):
    """Which unusual patterns are not looked for, how easily the others are told, which freeze the agent.

    What is left out stays; a list is set whole.
    """

    model_config = example(sensitivity="high", off=["off_hours"], freeze=["card_testing"])

    off: Annotated[list[Pattern], Field(max_length=20)] | None = None
    sensitivity: Sensitivity | None = None
    freeze: Annotated[list[Freezing], Field(max_length=20)] | None = None


class PatternQuery(ListQuery):
    """Since when, and of how many agents at once."""

    limit: Annotated[int, Field(ge=1, le=MAX_AGENTS)] = FEW_AGENTS
    since: Annotated[str, Field(max_length=50, description="RFC 3339, or how long ago: 90m, 2h, 7d; at most 400d")] = (
        "90d"
    )


class PatternsShape(Shape):
    """What is set of unusual patterns."""

    off: Annotated[list[Pattern], like([])]
    sensitivity: Sensitivity
    freeze: Annotated[list[Freezing], like(["card_testing"])]


class FoundPattern(Shape):
    """One alert as it would have been. Counts, or amounts in minor units; `usual` is null where too little is known."""

    pattern: Pattern
    at: Time
    since: Time
    seen: Annotated[int, like(31)]
    usual: Annotated[int | None, like(1)]
    threshold: Annotated[int, like(12)]
    message: Annotated[str, like("31 purchases or payments of at most 2.00 USD within an hour, since …")]


class AgentPast(Shape):
    """One agent, how much was looked through, and what would have been told of it, the oldest first.

    `whole` is false where more of its past was there than is read.
    """

    agent_id: AgentId
    agent: Annotated[str, like("Research assistant")]
    purchases: Count
    payments: Count
    whole: Annotated[bool, like(True)]
    told: list[FoundPattern]


class PatternPast(Listed[AgentPast]):
    """Agents by id; `agents` is how many there are."""

    agents: Count
    since: Time
    until: Time
