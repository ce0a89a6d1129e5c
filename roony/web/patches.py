"""Bodies that change projects and agents: what is left out stays, and what cannot be changed says so."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from roony.web.schemas import Body, Id, LongText, Name
from roony.web.shape import example


class Patch(Body):
    """What to change; what is left out stays. `fixed` are fields that an answer has and nobody can change."""

    fixed: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _can_change(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name, why in cls.fixed.items():
                if name in given:
                    raise PydanticCustomError("fixed", "{name} cannot be changed: {why}", {"name": name, "why": why})
        return given


_MADE = {"id": "it is given once", "created_at": "it is given once", "frozen_at": "POST /api/v1/admin/freeze does that"}


class ProjectPatch(Patch):
    """A project's new name."""

    model_config = example(name="Research")

    fixed: ClassVar[dict[str, str]] = {
        **_MADE,
        "budgets": "PUT /api/v1/admin/budgets does that",
        "controls": "PUT /api/v1/admin/controls does",
    }

    name: Name


class AgentPatch(Patch):
    """What is to be changed of an agent. Purchases stay in the project they were asked for."""

    model_config = example(name="Buyer", description="Buys what the research team asks for")

    fixed: ClassVar[dict[str, str]] = ProjectPatch.fixed

    name: Name | None = None
    description: LongText | None = None
    project_id: Id | None = None
    project_ids: Annotated[
        list[Id] | None, Field(max_length=100, description="All projects it may name beside its own")
    ] = None
