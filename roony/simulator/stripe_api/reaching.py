"""The account named in a path: the own one or a connected one, to look at or to change (facts 6.1, 12)."""

from __future__ import annotations

from roony.simulator.records import Record
from roony.simulator.refusals import Refusal, account_refused, invalid
from roony.simulator.stripe_api.operations import Call


def reachable_account(call: Call) -> Record:
    """Return the account in the path; one that is neither the key's own nor connected is refused with 403."""
    identifier = call.path["account"]
    record = call.world.accounts.get(identifier)
    if record is None or not call.world.may_act_for(call.key, identifier):
        raise account_refused(call.key["id"], identifier)
    return record


def changeable_account(call: Call) -> Record:
    """Return the account in the path, to change it: only connected ones, and not by a read_only connection."""
    record = reachable_account(call)
    if record["id"] == call.key["account"]:
        raise invalid("This is your own account, which changes in the Dashboard: only connected ones can be used here.")
    if record["scope"] == "read_only":
        raise Refusal(403, f"The connection to '{record['id']}' has the scope read_only: it may not change anything.")
    return record
