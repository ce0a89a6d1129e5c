"""Connecting a Stripe account: start link, OAuth round trip, cardholder, the end, and which account routes where."""

from __future__ import annotations

from roony.flows.connection.access import ask_stripe
from roony.flows.connection.account_status import (
    ACCOUNT_TYPES,
    PREFLIGHT,
    AccountDuty,
    KeyOfAnother,
    PromiseCheck,
    keep_check_account,
    look_at_account,
    preflight_id,
)
from roony.flows.connection.activation import ActivateConnection, EndPending
from roony.flows.connection.attempts import AttemptDuty
from roony.flows.connection.cardholder import (
    CardholderRefused,
    cardholder_at_stripe,
    ensure_cardholder,
    keep_make_cardholder,
)
from roony.flows.connection.cardholder_rows import RecordCardholder
from roony.flows.connection.confirmation import ConfirmConnection
from roony.flows.connection.direct import connect_direct
from roony.flows.connection.end_cards import keep_end_cards
from roony.flows.connection.finish import Callback, finish
from roony.flows.connection.gentle import ask_gently
from roony.flows.connection.restriction import RestrictConnection
from roony.flows.connection.revocation import RevokeConnection, disconnect, revoke
from roony.flows.connection.routing import all_routes, route_of, routes_of
from roony.flows.connection.start import Opened, Started, open_ticket, start_connection

__all__ = [
    "ACCOUNT_TYPES",
    "PREFLIGHT",
    "AccountDuty",
    "ActivateConnection",
    "AttemptDuty",
    "Callback",
    "CardholderRefused",
    "ConfirmConnection",
    "EndPending",
    "KeyOfAnother",
    "Opened",
    "PromiseCheck",
    "RecordCardholder",
    "RestrictConnection",
    "RevokeConnection",
    "Started",
    "all_routes",
    "ask_gently",
    "ask_stripe",
    "cardholder_at_stripe",
    "connect_direct",
    "disconnect",
    "ensure_cardholder",
    "finish",
    "keep_check_account",
    "keep_end_cards",
    "keep_make_cardholder",
    "look_at_account",
    "open_ticket",
    "preflight_id",
    "revoke",
    "route_of",
    "routes_of",
    "start_connection",
]
