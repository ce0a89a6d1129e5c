"""Calls that only help: a permission they lack restricts nothing, since what agents buy does not depend on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from roony.core.connection import Connection
from roony.flows.connection.access import ask_stripe
from roony.flows.context import FlowContext
from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.errors import StripeForbidden

P = ParamSpec("P")
T = TypeVar("T")


async def ask_gently(
    context: FlowContext,
    connection: Connection,
    call: Callable[Concatenate[StripeGateway, ConnectionAccess, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """As `ask_stripe`, but a missing permission is only raised, as StripeForbidden, and the connection stays active.

    For webhook endpoints, balances, lists of events, test helpers and the like: `issuing.try_permissions` does not try
    them. An account that is no longer ours ends its connection all the same.
    """

    def gently(gateway: StripeGateway, access: ConnectionAccess) -> T | StripeForbidden:
        try:
            return call(gateway, access, *args, **kwargs)
        except StripeForbidden as error:
            if error.account_access_revoked:
                raise
            return error

    answer = await ask_stripe(context, connection, gently)
    if isinstance(answer, StripeForbidden):
        raise answer
    return answer
