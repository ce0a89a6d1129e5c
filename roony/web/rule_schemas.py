"""The document of all controls and budgets of an organization, field by field, and what is said of a change."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from roony.web.schemas import Body, Controls, Currency, LimitAmount, Name, Period, Query, ShortText
from roony.web.shape import Shape, example, like
from roony.web.shapes import LimitedScope

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
