"""What the owner's people and programs call, one file per noun."""

from __future__ import annotations

from roony.web.admin_api import (
    access_keys,
    agents,
    alerts,
    approvals,
    audit,
    cardholders,
    changes,
    checkpoints,
    connections,
    discrepancies,
    disputes,
    doctor,
    events,
    export,
    freezes,
    keys,
    limits,
    links,
    me,
    merchants,
    message_recipients,
    organization,
    passkeys,
    patterns,
    purchases,
    receipts,
    reconciliations,
    replay,
    reports,
    rules,
    stream,
    trials,
    users,
    webhook_endpoints,
)

PARTS = (
    organization, agents, limits, rules, changes, approvals, connections, cardholders, purchases, merchants,
    discrepancies, disputes, events, reconciliations, audit, checkpoints, alerts, doctor, freezes, keys, access_keys,
    stream, users,
    links, me, passkeys, webhook_endpoints, message_recipients, receipts, replay, trials, reports,
    export, patterns,
)  # fmt: skip
routes = [route for part in PARTS for route in part.router.routes]
