"""Known merchants: their names and network ids, as learned or taught, and taking them back."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from roony.flows.merchant import ForgetLearned, TeachAlias
from roony.store.queries.merchants import merchant_page
from roony.store.rows import KnownMerchant
from roony.web import admin_shapes, answers
from roony.web.admin_api.lists import wanted
from roony.web.admin_api.part import new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted
from roony.web.schemas import Body, ListQuery, Name, ShortText
from roony.web.shape import example, gives

router = new_part("Merchants")


class AliasBody(Body):
    """One more name of a merchant, as it is written in an ask and as a card network writes it."""

    model_config = example(merchant="Figma", alias="FIGMA MONTHLY RENEWAL")

    merchant: Name
    alias: Name


class ForgetBody(Body):
    """What is no longer to be believed of a merchant."""

    model_config = example(merchant="Figma", alias="FIGMA MONTHLY RENEWAL")

    merchant: Name
    alias: Name | None = None
    network_id: Annotated[ShortText | None, Field(description="As in the list of known merchants")] = None

    @model_validator(mode="after")
    def _something(self) -> ForgetBody:
        if self.alias is None and self.network_id is None:
            raise PydanticCustomError("nothing", "Say which alias or network_id")
        return self


@router.get("/merchants", **gives(admin_shapes.KnownMerchantList))
async def list_merchants(caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
    """Merchants that cards were made for, by name, with every other name and network id they are accepted by."""
    page = await run_in_threadpool(merchant_page, context.database, caller.organization_id, wanted(query))
    return answers.listed(page, _merchant)


@router.post("/merchants/aliases", **gives(admin_shapes.KnownMerchantAnswer, 404, 409))
async def teach_alias(body: AliasBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Accept one more name for a merchant, from the next authorization on."""
    command = TeachAlias(caller.organization_id, body.merchant, body.alias, caller.actor)
    return _merchant(accepted(await context.till.submit(command, by=caller.authority)))


@router.post("/merchants/forget", **gives(admin_shapes.KnownMerchantAnswer, 404))
async def forget_learned(body: ForgetBody, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Take back an alias or a network id, from the next authorization on."""
    command = ForgetLearned(caller.organization_id, body.merchant, caller.actor, body.alias, body.network_id)
    return _merchant(accepted(await context.till.submit(command, by=caller.authority)))


def _merchant(row: KnownMerchant) -> dict[str, Any]:
    return {
        "key": row.merchant_key, "name": row.name, "aliases": json.loads(row.aliases),
        "network_ids": json.loads(row.network_ids), "purchases": row.purchases, "first_at": answers.time(row.first_at),
    }  # fmt: skip
