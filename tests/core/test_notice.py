"""Which audit records are told to people and programs, and as what; no action is forgotten."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.audit import GENESIS, AuditDraft, chain_record
from roony.core.notice import TYPES, Notice, notices_of

ROOT = Path(__file__).resolve().parents[2]

# Every audit action there is, and what its record is told as; a line belongs here with each new action. What a
# record tells by the purchases whose status it changed is told besides.
NOT_TOLD = """
access_key.created access_key.revoked access_key.rotated agent.created agent.frozen
agent.public_key_removed agent.public_key_set
agent.unfrozen agent.updated audit.key_made
card.expired card.fraud_warning card.frozen card.limit_raised card.limits_not_set card.made
card.reveal_refused card.revealed card.revoked card.status_at_stripe card.unfrozen card.waits card.wallet_token
cardholder.changed_at_stripe cardholder.refused cardholder.removed cardholder.set cardholder.stated cardholder.wanted
budget.set connection.cardholder_made connection.catching_up connection.caught_up connection.confirmed
connection.contradicted connection.not_connected connection.preflight connection.probe connection.started
connection.tokens_renewed connection.webhook_made controls.set dispute.stated event.replayed keys.rotated
mandate.canceled_at_stripe mandate.completed merchant.alias_learned merchant.forgotten merchant.network_id_pinned
organization.created organization.first_run_offered
organization.frozen database.restored organization.unfrozen organization.unknown_cards_chosen organization.updated
project.created project.frozen project.unfrozen project.updated purchase.booked purchase.canceled purchase.changed
purchase.duplicate_refused purchase.raise_declined purchase.raise_refused purchase.raised
reconciliation.ended reconciliation.started refund.queued retention.removed stripe_transaction.capture
stripe_transaction.refund
organization.exported user.created user.erased user.link_made user.passkey_added user.passkey_removed user.password_set
user.sign_in_failed user.signed_in user.updated
message_recipient.changed message_recipient.created message_recipient.replayed message_recipient.tested
webhook_endpoint.changed webhook_endpoint.created webhook_endpoint.disabled webhook_endpoint.replayed
webhook_endpoint.secret_rotated webhook_endpoint.tested
"""
TOLD = {
    "alert.closed": "alert.closed",
    "alert.opened": "alert.opened",
    "approval.approved": "approval.approved",
    "approval.asked": "approval.requested",
    "approval.denied": "approval.denied",
    "approval.expired": "approval.expired",
    "approval.partly_approved": "approval.partly_approved",
    "approval.refused_by_rules": "approval.denied",
    "authorization.answered": "authorization.approved",
    "authorization.stated": "authorization.approved",
    "authorization.withdrawn": "authorization.declined",
    "budget.exhausted": "budget.exhausted",
    "budget.warning": "budget.warning",
    "change.confirmed": "change.confirmed",
    "change.proposed": "change.proposed",
    "change.withdrawn": "change.withdrawn",
    "card.delivered": "card.delivered",
    "card.failed": "card.failed",
    "connection.activated": "connection.restored",
    "connection.expired": "connection.broken",
    "connection.restored": "connection.restored",
    "connection.restricted": "connection.broken",
    "connection.revoked": "connection.broken",
    "discrepancy.explained": "discrepancy.resolved",
    "discrepancy.opened": "discrepancy.opened",
    "discrepancy.resolved": "discrepancy.resolved",
    "purchase.asked": "approval.requested",
    "purchase.raise_asked": "approval.requested",
    "receipt.kept": "receipt.filed",
    "refund.assigned": "refund.booked",
    "refund.matched": "refund.booked",
}
EXPECTED: dict[str, str | None] = {**dict.fromkeys(NOT_TOLD.split()), **TOLD}
# What the actions are that are put together when they are written: (file, expression as it stands) → actions.
COMPOSED = {
    ("store/second_person.py", "f'change.{status}'"): ["change.confirmed", "change.withdrawn"],
    ("flows/card_freeze.py", "action"): ["card.frozen", "card.unfrozen"],
    ("flows/connection/restriction.py", "action"): ["connection.restricted", "connection.restored"],
    ("flows/discrepancy.py", "f'discrepancy.{how}'"): ["discrepancy.resolved", "discrepancy.explained"],
    ("flows/freeze.py", "f'card.{kind}'"): ["card.frozen", "card.unfrozen"],
    ("flows/freeze.py", "f\"{scope}.{('frozen' if freeze else 'unfrozen')}\""): [
        f"{scope}.{word}" for scope in ("organization", "project", "agent") for word in ("frozen", "unfrozen")
    ],
    ("flows/movement.py", "action"): [],
    ("flows/notification/receiver.py", "f'{_kind_of(row.id).noun}.{verb}'"): [
        *(f"webhook_endpoint.{verb}" for verb in ("created", "changed", "secret_rotated", "tested", "disabled")),
        *(f"message_recipient.{verb}" for verb in ("created", "changed", "tested")),
    ],
    ("flows/notification/receiver.py", "action"): ["webhook_endpoint.replayed", "message_recipient.replayed"],
    ("flows/preflight.py", "f'connection.{self.kind}'"): ["connection.preflight", "connection.probe"],
    ("flows/public_key.py", "action"): ["agent.public_key_set", "agent.public_key_removed"],
    ("flows/stripe_transaction.py", "action"): ["refund.matched", "refund.queued"],
    ("flows/stripe_transaction.py", "f'stripe_transaction.{said.type}'"): [
        "stripe_transaction.capture", "stripe_transaction.refund",
    ],
    ("store/book.py", "action"): [],
    ("store/marks.py", "mark"): ["budget.warning", "budget.exhausted"],
}  # fmt: skip
# A body with every field that a told action reads.
BODY: dict[str, Any] = {
    "purchase": "pur_1", "agent": "agt_1", "approval": "apr_1", "authorization": "iauth_1", "card": "crd_1",
    "approved": True, "first": True, "resumed": True,
}  # fmt: skip


def written_actions() -> Iterator[str]:
    """Every action that the code writes into the audit chain."""
    for path in sorted((ROOT / "roony").rglob("*.py")):
        name = path.relative_to(ROOT / "roony").as_posix()
        if name.startswith("simulator/"):
            continue
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            place = {"record": 2, "audit": 3, "AuditDraft": 2}.get(ast.unparse(call.func).rpartition(".")[2])
            if place is None or len(call.args) <= place:
                continue
            action = call.args[place]
            if isinstance(action, ast.Constant):
                yield str(action.value)
            else:
                composed = (name, ast.unparse(action))
                assert composed in COMPOSED, f"{composed}: say in COMPOSED which actions this writes"
                yield from COMPOSED[composed]


def told(action: str, body: dict[str, Any], subject: str = "pur_1") -> tuple[Notice, ...]:
    draft = AuditDraft("org_1", "usr_1", action, subject, body, 17)
    return notices_of(chain_record(draft, 5, GENESIS))


def test_a_filed_receipt_is_told_of_its_purchase() -> None:
    body = {"purchase": "pur_1", "agent": "agt_1", "media_type": "text/plain", "size": 9, "sha256": "ab"}
    [notice] = told("receipt.kept", body, "rcp_1")
    assert (notice.type, notice.subject, notice.purchase_id, notice.agent_id, notice.data) == (
        "receipt.filed", "rcp_1", "pur_1", "agt_1", {"media_type": "text/plain", "size": 9},
    )  # fmt: skip


def test_every_action_has_its_line() -> None:
    """An action added to the code without a line in the table above fails here, and so does a line without one."""
    assert sorted(set(written_actions())) == sorted(EXPECTED)


@pytest.mark.parametrize("action", sorted(EXPECTED))
def test_each_action_is_told_as_the_table_says(action: str) -> None:
    notices = told(action, BODY)
    assert [notice.type for notice in notices] == [kind for kind in [EXPECTED[action]] if kind is not None]
    assert all(notice.type in TYPES for notice in notices)
    assert all((notice.purchase_id, notice.agent_id) == ("pur_1", "agt_1") for notice in notices)


@pytest.mark.parametrize(
    ("action", "body", "types"),
    [
        ("purchase.asked", {"approval": None}, []),
        ("connection.activated", {"resumed": False}, []),
        ("authorization.answered", {"approved": 0}, ["authorization.declined"]),
        ("authorization.stated", {"approved": True, "first": False, "authorization": "iauth_1"}, []),
        ("authorization.stated", {"approved": False, "first": True, "authorization": "iauth_1"},
         ["authorization.declined"]),
        ("an.action_of_another_release", {}, []),
    ],
)  # fmt: skip
def test_some_actions_are_told_by_what_they_say(action: str, body: dict[str, Any], types: list[str]) -> None:
    assert [notice.type for notice in told(action, body)] == types


def test_a_notice_names_what_it_is_about() -> None:
    for action, subject in (
        ("approval.approved", "apr_1"),
        ("card.failed", "crd_1"),
        ("authorization.stated", "iauth_1"),
    ):
        [notice] = told(action, BODY)
        assert notice.subject == subject
    [opened] = told("discrepancy.opened", {"kind": "over_capture", "purchase": "pur_9", "agent": "agt_9"}, "dis_1")
    assert (opened.subject, opened.purchase_id, opened.agent_id) == ("dis_1", "pur_9", "agt_9")
    [alert] = told("alert.opened", {"kind": "x", "subject": "con_1", "message": "Look."}, "alt_1")
    assert (alert.subject, alert.purchase_id, alert.agent_id, alert.sequence, alert.at) == ("alt_1", None, None, 5, 17)


def test_status_changes_come_after_what_was_done() -> None:
    change = {"purchase": "pur_1", "agent": "agt_1", "was": "awaiting_approval", "status": "declined", "amount": 500}
    other = {**change, "purchase": "pur_2", "agent": "agt_2", "was": None, "status": "issuing"}
    body = {**BODY, "note": "too dear", "statuses": [change, other]}
    denied, declined, issuing = told("approval.denied", body)
    assert (denied.type, denied.data) == ("approval.denied", {"note": "too dear"})
    assert (declined.type, declined.subject, declined.agent_id) == ("purchase.declined", "pur_1", "agt_1")
    assert declined.data == {"was": "awaiting_approval", "status": "declined", "amount": 500, "note": "too dear"}
    assert (issuing.type, issuing.agent_id, issuing.data) == (
        "purchase.issuing",
        "agt_2",
        {"status": "issuing", "amount": 500},
    )


def test_no_kind_of_notice_shows_an_agent_what_is_anothers() -> None:
    """P7: where a command names another purchase or agent, or people write to people, it stays in the audit chain."""
    others = {"before": "pur_other", "duplicate_of": "pur_other", "was": "pur_other", "by": "agt_other"}
    change = {"purchase": "pur_1", "agent": "agt_1", "was": "ready", "status": "settled"}
    for action in TOLD:
        # A connection is no agent's, and an approver's note is for the agent.
        if action.startswith("connection."):
            continue
        note = {} if action.startswith("approval.") else {"note": "It was of pur_other."}
        asked = action in ("purchase.asked", "purchase.raise_asked")
        for notice in told(action, {**BODY, **others, **({} if asked else note), "statuses": [change]}):
            assert "other" not in json.dumps(notice.data), action


def test_only_named_fields_are_shown() -> None:
    """P6: whatever else a record holds for the owner's audit is not sent out."""
    body = {**BODY, "number": "4242424242424242", "seen": "x", "stripe_card": "ic_1", "requested_by": "usr_2"}
    for action in TOLD:
        for notice in told(action, body):
            assert not {"number", "seen", "stripe_card", "requested_by"} & set(notice.data), action
            json.dumps(notice.data)
