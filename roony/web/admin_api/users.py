"""The people of the organization, their roles, and the keys of each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from roony.core.user import User, is_email
from roony.flows.user import CreateUser, EraseUser, UpdateUser
from roony.store.queries.keys import keys_of_user
from roony.store.queries.names import changes_of_user
from roony.store.queries.paging import equal
from roony.web import admin_shapes, answers
from roony.web.admin_api.access_keys import key_of, make_key, revoke_key, rotate_key
from roony.web.admin_api.lists import get_row, list_rows, wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.key_schemas import KeyBody, RotateBody
from roony.web.schemas import Body, ListQuery, named, one_line
from roony.web.shape import example, gives

router = new_part("Users")


def _email(text: str) -> str:
    if not is_email(text):
        raise PydanticCustomError("email", "It must be an e-mail address")
    return text


Role = Literal["viewer", "approver", "admin", "owner"]
Name = Annotated[str, Field(max_length=100), AfterValidator(named)]
Email = Annotated[str, Field(max_length=254), AfterValidator(one_line), AfterValidator(_email)]


class UserBody(Body):
    """A user who is to be added."""

    model_config = example(name="Ann", email="ann@example.com", role="approver")

    name: Name
    email: Email
    role: Role


class UserPatch(Body):
    """What is to change of a user; what is left out stays."""

    model_config = example(role="admin")

    name: Name | None = None
    email: Email | None = None
    role: Role | None = None
    disabled: bool | None = None


class UserQuery(ListQuery):
    """Which users."""

    role: Role | None = None


@router.get("/users", **gives(admin_shapes.UserList))
async def list_users(caller: CallerOf, context: ContextOf, query: Annotated[UserQuery, Query()]) -> dict[str, Any]:
    """Users, newest first, disabled ones too."""
    return await list_rows(context, User, caller.organization_id, query, _shown, *equal(User, {"role": query.role}))


@router.post("/users", **gives(admin_shapes.UserAnswer, 409, status=201))
async def create_user(body: UserBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Add a user. `viewer` looks, `approver` also decides, `admin` also changes rules, `owner` may do everything."""
    command = CreateUser(caller.organization_id, context.new_id("usr"), body.name, body.email, body.role, caller.actor)
    return _shown(accepted(await context.till.submit(command, by=caller.authority)))


@router.get("/users/{id}", **gives(admin_shapes.UserAnswer))
async def get_user(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """One user."""
    return _shown(await get_row(context, User, caller.organization_id, id, "user"))


@router.patch("/users/{id}", **gives(admin_shapes.UserAnswer, 409))
async def update_user(id: str, body: UserPatch, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Change a user. `disabled` ends keys, sessions, links, password and passkeys; the last owner stays one."""
    command = UpdateUser(caller.organization_id, id, caller.actor, body.name, body.email, body.role, body.disabled)
    return _shown(accepted(await context.till.submit(command, by=caller.authority)))


@router.post("/users/{id}/erase", **gives(admin_shapes.UserAnswer, 409))
async def erase_user(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Erase for ever who a user is: name, address, names of keys and passkeys. They are shut out; the id stays.

    Records that were written before Roony left names out of them keep theirs: the audit chain is never changed.
    """
    changes = await run_in_threadpool(changes_of_user, context.database, caller.organization_id, id)
    command = EraseUser(caller.organization_id, id, caller.actor, changes)
    return _shown(accepted(await context.till.submit(command, by=caller.authority)))


@router.get("/users/{id}/keys", **gives(admin_shapes.AccessKeyList))
async def list_keys_of_user(
    id: str, caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]
) -> dict[str, Any]:
    """The user's keys, newest first, revoked ones too."""
    await get_row(context, User, caller.organization_id, id, "user")
    page = await run_in_threadpool(keys_of_user, context.database, caller.organization_id, id, wanted(query))
    return answers.listed(page, answers.access_key)


@router.post("/users/{id}/keys", **gives(admin_shapes.AccessKeyMade, 409, status=201))
async def create_key_of_user(
    id: str, caller: CallerOf, context: ContextOf, body: KeyBody | None = None
) -> dict[str, Any]:
    """A key of the user's own, shown this once: it may do what the user's role may, as the role is at that moment."""
    return await make_key(context, caller, "admin", body or KeyBody(), user_id=id)


@router.post("/users/{id}/keys/{key_id}/rotate", **gives(admin_shapes.AccessKeyRotated, 409, status=201))
async def rotate_key_of_user(
    id: str, key_id: str, caller: CallerOf, context: ContextOf, body: RotateBody | None = None
) -> dict[str, Any]:
    """A new key in place of this one, shown this once; this one ends after the overlap."""
    return await rotate_key(context, caller, await key_of(context, caller, key_id, user_id=id), body or RotateBody())


@router.delete("/users/{id}/keys/{key_id}", **gives(admin_shapes.AccessKeyAnswer, 409))
async def revoke_key_of_user(id: str, key_id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Revoke a key of the user: it opens nothing from now on."""
    return await revoke_key(context, caller, await key_of(context, caller, key_id, user_id=id))


def _shown(row: User) -> answers.Json:
    return {
        "id": row.id, "name": row.name, "email": row.email, "role": row.role,
        "created_at": answers.time(row.created_at), "disabled_at": answers.time(row.disabled_at),
    }  # fmt: skip
