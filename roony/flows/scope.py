"""One scope of an organization, named by kind and id: the organization itself, a project, an agent or its task."""

from __future__ import annotations

from roony.core.agent import ENVELOPE, SCOPES, Agent, Chain, Organization, Project, frozen_scope, task_of
from roony.core.cardholder import CardholderChoice
from roony.core.errors import Refusal, not_found
from roony.core.purchase import Purchase
from roony.store.book import Book
from roony.store.facts import Needs


def scope_needs(organization_id: str, scope: str, scope_id: str) -> Needs:
    """The facts of one scope: its row, its controls, its budgets with the periods of now."""
    project_id = scope_id if scope == "project" else ""
    agent_id, task_id = task_of(scope_id) if scope == "task" else (scope_id if scope == "agent" else "", "")
    return Needs(chains=(Chain(organization_id, project_id, agent_id, task_id or None),))


def scope_row(book: Book, organization_id: str, scope: str, scope_id: str) -> Organization | Project | Agent | Refusal:
    """The row of a scope; needs `scope_needs`. A scope of somebody else looks the same as a missing one (P7)."""
    found: Organization | Project | Agent | None = None
    if scope == "organization":
        found = book.need(Organization, organization_id) if scope_id == organization_id else None
    elif scope == "project":
        found = book.get(Project, organization_id, scope_id)
    elif scope == "agent":
        found = book.get(Agent, organization_id, scope_id)
    else:
        return Refusal("invalid", f"A scope is one of: {', '.join(SCOPES)}.", 422, "scope")
    return found if found is not None else not_found(scope, scope_id)


def limited_scope(book: Book, organization_id: str, scope: str, scope_id: str) -> Refusal | None:
    """Why a scope can have no budgets or controls, or None; needs `scope_needs`. A task belongs to an agent there is.

    The task itself need not have been named in an ask yet, and `AGENT:*` stands for all of them.
    """
    if scope == "task":
        agent_id, task_id = task_of(scope_id)
        if not task_id:
            message = f"A task is named AGENT_ID:TASK_ID, or AGENT_ID:{ENVELOPE} for every task of that agent."
            return Refusal("invalid", message, 422, "scope_id")
        scope, scope_id = "agent", agent_id
    found = scope_row(book, organization_id, scope, scope_id)
    return found if isinstance(found, Refusal) else None


def frozen_above(book: Book, purchase: Purchase) -> str | None:
    """The widest frozen scope above a purchase, or None; naming the purchase brings the rows of the chain."""
    return frozen_scope(
        book.need(Organization, purchase.organization_id),
        book.get(Project, purchase.organization_id, purchase.project_id),
        book.get(Agent, purchase.organization_id, purchase.agent_id),
    )


def cardholder_scope(book: Book, purchase: Purchase) -> str:
    """The id of the narrowest scope with a cardholder of its own: its agent, its project, else the organization."""
    for scope_id in (purchase.agent_id, purchase.project_id):
        choice = book.get(CardholderChoice, purchase.organization_id, scope_id)
        if choice is not None and choice.cardholder is not None:
            return scope_id
    return purchase.organization_id
