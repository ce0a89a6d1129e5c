"""The people of the organization: who they are, what they may do, their links to sign in and their keys."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from roony.core.role import ROLES
from roony.core.user import User, is_erased
from roony.store.authority import is_over
from roony.store.database import Database
from roony.store.queries.keys import keys_of_user
from roony.store.queries.paging import Page, Slice, equal, newest_first
from roony.store.queries.sign_in import find_user
from roony.web.dashboard.view import View, page
from roony.web.errors import found

# What each role may do beside what the one before it may.
_MEANING = {
    "viewer": "looks at everything",
    "approver": "also approves, denies, and opens links to card details",
    "admin": "also changes rules, budgets and agents, and freezes",
    "owner": "also connects Stripe, adds people and changes settings",
}
_CHOICES = [(role, f"{role.capitalize()}: {_MEANING[role]}") for role in ROLES]


def routes() -> list[Route]:
    """The list, and the page of each."""
    return [page("/users", _users), page("/users/{id}", _user)]


async def _users(view: View) -> Response:
    role = view.filter("role", ROLES)
    some = await view.read(_some, view.slice(), role)
    return view.page(
        "users.html",
        "Users",
        users=some.rows,
        pages=view.pages(some),
        role=role,
        roles=_CHOICES,
        filters=[(name, name) for name in ROLES],
    )


def _some(database: Database, organization_id: str, wanted: Slice, role: str | None) -> Page[User]:
    return newest_first(database, User, organization_id, wanted, *equal(User, {"role": role}))


async def _user(view: View) -> Response:
    id = view.request.path_params["id"]
    user = found(await view.read(find_user, id), "user", id)
    keys = await view.read(keys_of_user, id, view.slice())
    now = view.context.clock()
    return view.page(
        "user.html", user.name, user=user, roles=_CHOICES, keys=[(row, is_over(row, now)) for row in keys.rows],
        pages=view.pages(keys), erased=is_erased(user),
    )  # fmt: skip
