"""The document of all controls and budgets of an organization, field by field, and what is said of a change."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from roony.web.query import Query
from roony.web.schemas import Body, Controls, Currency, LimitAmount, Name, Period, ShortText
from roony.web.shape import AgentId, Count, Money, PurchaseId, Shape, Time, example, like
from roony.web.shape import Currency as CurrencyShape
from roony.web.shapes import DecisionShape, LimitedScope

# Names of one kind in one document.
MAX_LISTED = 5_000

Limits = dict[Currency, dict[Period, LimitAmount | None]]


class ScopeRules(Body):
    """What one scope has. Where `controls` stands it is all of them; what is left out here stays as it is."""

    version: Annotated[
        str | None, Field(pattern=r"^[0-9]{1,12}-[0-9a-f]{8}$", description="As read; 409 if they were changed since")
    ] = None
    controls: Controls = Field(default_factory=dict)
    budgets: Limits = Field(
        default_factory=dict, description="Limits in minor units by currency and period; null lifts one"
    )


class ProjectRules(ScopeRules):
    """A project; one of an unknown name is made. Listed by its id, another name renames it."""

    name: Name | None = None


class AgentRules(ProjectRules):
    """An agent; one of an unknown name is made, without a key. Another `project`, by id or name, moves it."""

    project: Name | None = None
    each_task: ScopeRules | None = None
    tasks: dict[ShortText, ScopeRules] = Field(default_factory=dict, max_length=MAX_LISTED)


class RulesBody(Body):
    """Controls and budgets of the organization, and of projects and agents by their ids or names."""

    model_config = example(
        organization={"controls": {"blocked_categories": ["never"]}, "budgets": {"usd": {"month": 500_000}}},
        agents={"Booker": {"controls": {"purchase_limit": 20_000}, "each_task": {"budgets": {"usd": {"day": 5_000}}}}},
    )

    organization: ScopeRules | None = None
    projects: dict[Name, ProjectRules] = Field(default_factory=dict, max_length=MAX_LISTED)
    agents: dict[Name, AgentRules] = Field(default_factory=dict, max_length=MAX_LISTED)


class ApplyQuery(Query):
    """How a document is applied."""

    dry_run: Annotated[bool, Field(description="Only say what would be changed")] = False
    force: Annotated[bool, Field(description="Also where its `version` is not that of now")] = False
    plan: Annotated[
        str | None, Field(max_length=64, description="`plan` of a dry run: 409 if something else would be changed now")
    ] = None


class StaleShape(Shape):
    """Rules that were changed since the version that the document names."""

    path: Annotated[str, like("agents.agt_7c1d90ab34ef4c52")]
    what: Literal["controls", "budgets"]


class ChangeShape(Shape):
    """One field of one scope; a project or agent that is made is the field `new`, and has no id in a dry run."""

    path: Annotated[str, like("agents.Buyer", about="Where it stands in the document")]
    scope: LimitedScope
    scope_id: Annotated[str | None, like("agt_7c1d90ab34ef4c52")]
    name: Annotated[str, like("Buyer")]
    field: Annotated[str, like("controls.purchase_limit", "budgets.usd.day", "name", "project", "new")]
    before: Annotated[Any, like(20_000)]
    after: Annotated[Any, like(10_000)]


class RulesAnswer(Shape):
    """What a document changes; `plan` is the same as long as that is the same."""

    applied: bool
    plan: Annotated[str, like("5b1f0c9a72d84e6300aa41cd")]
    stale: list[StaleShape]
    changes: list[ChangeShape]


class RulesReplayBody(Body):
    """Which rules, over which purchases."""

    model_config = example(since="30d", rules={"agents": {"Booker": {"controls": {"purchase_limit": 20_000}}}})

    since: Annotated[str, Field(max_length=40, description="RFC 3339, or 90m, 2h, 7d: purchases asked for since")]
    rules: Annotated[RulesBody, Field(description="The document of `GET /rules`, changed; the rest is as it was")]


Verdict = Literal["approved", "declined", "needs_approval"]


class ReplaySum(Shape):
    """How many decisions would have become others, and the amounts they were about."""

    before: Verdict
    after: Annotated[Verdict, like("declined")]
    currency: CurrencyShape
    decisions: Count
    amount: Money


class ReplayAgent(Shape):
    """The sums of one agent."""

    agent_id: AgentId
    name: Annotated[str, like("Booker")]
    sums: list[ReplaySum]


class ReplayChange(Shape):
    """One decision that would have been another one."""

    purchase_id: PurchaseId
    agent_id: AgentId
    step: Annotated[
        Literal["ask", "raise", "yes"], like("ask", about="`yes`: a person's yes that the rules of then refused")
    ]
    at: Time
    merchant: Annotated[str, like("Figma")]
    amount: Money
    currency: CurrencyShape
    before: DecisionShape
    after: DecisionShape


class ReplayAnswer(Shape):
    """What would have been decided otherwise. The first changes are listed one by one, all are in the sums.

    `cannot_be_told` counts decisions of which not all that they looked at is recorded, by what is missing; `new` is
    what the document lists and is not there yet.
    """

    since: Time
    until: Time
    decisions: Count
    unchanged: Annotated[int, like(0)]
    changed: Count
    cannot_be_told: Annotated[dict[str, int], like({})]
    sums: list[ReplaySum]
    agents: list[ReplayAgent]
    changes: list[ReplayChange]
    changes_left_off: Annotated[int, like(0)]
    new: Annotated[list[str], like([])]
