"""The dashboard: pages on which an owner looks and decides. One file per noun; what changes goes through the API.

A page reads and renders. A form on it is sent by `dashboard.js` to the admin API with the session and its token, so
that each change has one way in, one check of roles and one set of messages.
"""

from __future__ import annotations

from starlette.routing import Route

from roony.web.dashboard import (
    account,
    agents,
    alerts,
    approvals,
    assets,
    audit,
    cards,
    changes,
    connections,
    discrepancies,
    events,
    first_run,
    overview,
    passkey_sign_in,
    projects,
    purchases,
    reports,
    rules,
    settings,
    sign_in,
    start,
    transactions,
    users,
)

# Modules with `routes()`, in the order of the menu.
PARTS = (
    assets,
    sign_in,
    passkey_sign_in,
    first_run,
    start,
    account,
    overview,
    approvals,
    purchases,
    transactions,
    cards,
    agents,
    projects,
    rules,
    changes,
    discrepancies,
    alerts,
    events,
    audit,
    reports,
    connections,
    users,
    settings,
)


def routes() -> list[Route]:
    """Every route of the dashboard."""
    return [route for part in PARTS for route in part.routes()]
