"""Organization, project and agent: who asks, who is frozen, and the chain of scopes a purchase draws on."""

from __future__ import annotations

from typing import NamedTuple


class Organization(NamedTuple):
    """The company. Its row is the lock under which its money moves, and it carries the head of its audit chain."""

    id: str
    name: str
    currency: str
    time_zone: str
    connection_id: str | None
    frozen_at: int | None
    unknown_cards: str
    delivery: str
    unbudgeted: int
    settings: str
    config_version: str
    audit_sequence: int
    audit_hash: str
    clock: int
    created_at: int


class Project(NamedTuple):
    """A group of agents with a purpose of its own. Times in microseconds UTC."""

    organization_id: str
    id: str
    name: str
    frozen_at: int | None
    created_at: int


class Agent(NamedTuple):
    """One AI agent that may ask for purchases, always inside one project. `project_ids` is a JSON list it may name."""

    organization_id: str
    id: str
    project_id: str
    project_ids: str
    name: str
    description: str
    frozen_at: int | None
    public_key: str | None
    created_at: int


# What the organization wants for authorizations on cards that Roony did not make.
UNKNOWN_CARDS = ("decline", "approve", "approve_while_unfrozen")
SCOPES = ("organization", "project", "agent")
# The task id that stands for every task of an agent.
ENVELOPE = "*"


class Chain(NamedTuple):
    """What a purchase belongs to; `task_id` is the task its agent named, None when it named none."""

    organization_id: str
    project_id: str
    agent_id: str
    task_id: str | None = None

    @property
    def task_scope(self) -> str | None:
        """The scope id of the named task."""
        return None if self.task_id is None else task_scope(self.agent_id, self.task_id)

    @property
    def envelope(self) -> str:
        """The scope id under which the owner limits every task of the agent."""
        return task_scope(self.agent_id, ENVELOPE)

    @property
    def scopes(self) -> tuple[tuple[str, str], ...]:
        """(scope, scope id) from the narrowest to the widest, the order in which budgets are checked (section 6).

        What names no task falls under the envelope as well: to leave the task out must not loosen a rule.
        """
        task = () if self.task_scope is None else (("task", self.task_scope),)
        return (
            *task, ("task", self.envelope), ("agent", self.agent_id), ("project", self.project_id),
            ("organization", self.organization_id),
        )  # fmt: skip


def task_scope(agent_id: str, task_id: str) -> str:
    """The scope id of one task of an agent: two agents may use the same name for a task."""
    return f"{agent_id}:{task_id}"


def task_of(scope_id: str) -> tuple[str, str]:
    """The agent and the task of a task's scope id; the task is empty where none is named."""
    agent_id, _, task_id = scope_id.partition(":")
    return agent_id, task_id


def takes_unknown_card(organization: Organization, made_for: str | None) -> bool:
    """True if payments with a card that is not recorded here are approved: its owner's choice for cards of others.

    `made_for` is the organization that a Roony wrote on it. One made for this organization that is not recorded, as
    after a restore, is nobody else's card: nothing is set aside for it.
    """
    if made_for == organization.id:
        return False
    choice = organization.unknown_cards
    return choice == "approve" or (choice == "approve_while_unfrozen" and organization.frozen_at is None)


def frozen_scope(organization: Organization, project: Project | None, agent: Agent | None) -> str | None:
    """The widest scope that is frozen, or None. A missing project or agent counts as frozen: when unsure, decline."""
    if organization.frozen_at is not None:
        return "organization"
    if project is None or project.frozen_at is not None:
        return "project"
    if agent is None or agent.frozen_at is not None:
        return "agent"
    return None
