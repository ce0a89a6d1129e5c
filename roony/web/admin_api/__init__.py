"""What the owner's people and programs call, one file per noun."""

from __future__ import annotations

from fastapi import APIRouter

from roony.web import shapes
from roony.web.admin_api import (
    agents,
    alerts,
    approvals,
    audit,
    cardholders,
    connections,
    discrepancies,
    disputes,
    doctor,
    events,
    freezes,
    keys,
    limits,
    merchants,
    organization,
    purchases,
    reconciliations,
)
from roony.web.auth import ADMIN_KEY
from roony.web.requests import KeyedRoute

router = APIRouter(
    prefix="/api/v1/admin",
    route_class=KeyedRoute,
    dependencies=[ADMIN_KEY],
    responses=shapes.ERRORS,
)
for part in (
    organization, agents, limits, approvals, connections, cardholders, purchases, merchants, discrepancies, disputes,
    events, reconciliations, audit, alerts, doctor, freezes, keys,
):  # fmt: skip
    router.include_router(part.router)
