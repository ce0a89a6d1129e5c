"""Scenes about the signed audit chain: signed once, by a key that is there, and never where it is broken."""

from __future__ import annotations

from roony.core.alert import Alert, alert_id
from roony.core.audit_file import check_lines
from roony.core.checkpoint import Checkpoint
from roony.flows.checkpoint import BROKEN
from roony.store.rows import SigningKey
from roony.store.signing import is_signed
from tests.chaos.scenes import Arm, scene
from tests.support.crashing import ADMIN, Crashable
from tests.support.served import unique

CHECKPOINTS = f"{ADMIN}/audit/checkpoints"


def sign(company: Crashable) -> None:
    """Signs what there is."""
    company.send(company.owner, "POST", CHECKPOINTS)


@scene("fresh", "AddSigningKey", "checkpoints.keep")
def the_chain_is_signed_with_a_new_key(company: Crashable, arm: Arm) -> None:
    """Said again after a crash it makes one more key; the newest one signs, and each part is signed once.

    In a company of its own: where there are several organizations, no owner of one may make the key.
    """
    keys = {row.public_key for row in company.books.rows(SigningKey)}
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/audit/keys")
    sign(company)
    made = {row.public_key for row in company.books.rows(SigningKey)} - keys
    assert len(made) in (1, 2)
    export = company.insist(lambda: company.owner.call("GET", f"{ADMIN}/audit/export")).text
    verdict = check_lines(export.splitlines(), is_signed)
    assert (verdict.problem, verdict.public_keys[-1] in made) == (None, True)
    assert verdict.signed > 0


@scene("direct", "TellOfBrokenChain")
def a_changed_record_is_found_before_it_is_signed(company: Crashable, arm: Arm) -> None:
    """The owner is told, once, and nothing is signed until it is as it was."""
    org = company.get("organization")["id"]
    sign(company)
    company.send(company.owner, "POST", f"{ADMIN}/projects", {"name": unique("Project")})
    sequence = company.get("organization")["audit_head"]["sequence"]
    [record] = company.get("audit", limit=1)["data"]
    change = "UPDATE audit_records SET actor = :actor WHERE organization_id = :org AND id = :record"
    company.sql(change, actor="somebody", org=org, record=record["id"])
    arm()
    answer = company.insist(lambda: company.owner.call("POST", CHECKPOINTS))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "chain_broken")
    alert = company.books.row(Alert, organization_id=org, id=alert_id(BROKEN, org))
    assert (alert.status, f"Audit record {record['sequence']} " in alert.message) == ("open", True)
    signed = company.books.rows(Checkpoint, organization_id=org)
    assert max(row.sequence for row in signed) < sequence
    company.sql(change, actor=record["actor"], org=org, record=record["id"])
    company.send(company.owner, "POST", f"{ADMIN}/alerts/{alert.id}/close")
    sign(company)
