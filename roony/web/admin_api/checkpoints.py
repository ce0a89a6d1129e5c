"""Signed checkpoints of the audit chain: to read, to sign at once, in the export, and as the proof of one purchase."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from roony.core.agent import Organization
from roony.core.checkpoint import Checkpoint
from roony.flows.checkpoint import add_signing_key, sign_now
from roony.flows.context import FlowContext
from roony.store import checkpoints
from roony.store.queries.evidence import evidence_of
from roony.store.queries.history import audit_from
from roony.store.queries.organizations import find_organization
from roony.store.rows import SigningKey
from roony.web import answers, audit_shapes
from roony.web.admin_api.lists import wanted
from roony.web.admin_api.part import NDJSON, new_part
from roony.web.auth import CallerOf, ContextOf
from roony.web.errors import accepted, found
from roony.web.evidence import shown_evidence
from roony.web.schemas import ListQuery
from roony.web.shape import gives

router = new_part("Audit")

# Records read at a time during an export.
EXPORT_PAGE = 1_000
_LINES = {NDJSON: {"schema": {"type": "string"}, "example": '{"head":{"sequence":31,"hash":"b71e17c61a57"}}\n'}}


@router.get("/audit/export", response_class=Response, response_model=None, responses={200: {"content": _LINES}})
async def export(caller: CallerOf, context: ContextOf) -> Response:
    """The whole chain as a file that is checked without Roony: a line for each record, checkpoint and the head.

    Each checkpoint stands behind the last record that it is over. `roony audit verify` reads it.
    """
    organization = await run_in_threadpool(find_organization, context.database, caller.organization_id)
    return StreamingResponse(file_of(context, organization), media_type=NDJSON)


@router.get("/audit/checkpoints", **gives(audit_shapes.CheckpointList))
async def list_checkpoints(
    caller: CallerOf, context: ContextOf, query: Annotated[ListQuery, Query()]
) -> dict[str, Any]:
    """Signed checkpoints, newest first. Keep the newest somewhere else: it shows what was written anew before it."""
    page = await run_in_threadpool(checkpoints.checkpoint_page, context.database, caller.organization_id, wanted(query))
    return answers.listed(page, Checkpoint._asdict)


@router.post("/audit/checkpoints", **gives(audit_shapes.SignedChain, 409))
async def sign(caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Sign now what the chain has no checkpoint over yet, at most 20,000 records; call again while there is `more`.

    Without this call it is done every hour, or once there are 1,000 records.
    """
    signed = accepted(await sign_now(context, caller.organization_id))
    last = signed.checkpoint
    return {"made": signed.made, "more": signed.more, "checkpoint": last._asdict() if last is not None else None}


@router.get("/audit/keys", **gives(audit_shapes.SigningKeyList))
async def list_keys(_caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """The public keys that checkpoints of this installation are signed with, newest first. Keep them somewhere else."""
    keys = await run_in_threadpool(checkpoints.signing_keys_of, context.database)
    return {"data": [_key(row, place == 0) for place, row in enumerate(keys)], "next_cursor": None}


@router.post("/audit/keys", **gives(audit_shapes.SigningKeyAnswer, 409, status=201))
async def add_key(caller: CallerOf, context: ContextOf) -> Response:
    """Sign with a new key from now on: after ROONY_SECRET_KEYS were lost or got into wrong hands.

    It is the installation's, and signs the chains of all its organizations: where there are several, 409 with
    `operator_only`, and whoever operates Roony makes it on the machine of the database (`roony init
    --new-signing-key`). What was signed before stays as it is.
    """
    made = accepted(await add_signing_key(context, caller.organization_id, caller.actor, caller.authority))
    return JSONResponse(_key(made, True), 201)


@router.get("/purchases/{id}/evidence", **gives(audit_shapes.EvidenceAnswer))
async def evidence(id: str, caller: CallerOf, context: ContextOf) -> dict[str, Any]:
    """Everything about one purchase, its audit records with the proof that they belong to the signed chain.

    `roony audit verify` checks it with nothing but the file and the public key. A `proof` that is null belongs to a
    record that is not signed yet.
    """
    org = caller.organization_id
    organization = await run_in_threadpool(find_organization, context.database, org)
    all_of = found(await run_in_threadpool(evidence_of, context.database, org, id), "purchase", id)
    return shown_evidence(organization, all_of, context.clock())


async def file_of(context: FlowContext, organization: Organization) -> AsyncIterator[bytes]:
    """The lines of an export, as far as the organization's row says, so that it always ends."""
    sequence = 0
    while sequence < organization.audit_sequence:
        lines, sequence = await run_in_threadpool(_some_lines, context, organization, sequence)
        if not lines:
            return
        yield lines
    yield _line({"head": {"sequence": organization.audit_sequence, "hash": organization.audit_hash}})


def _some_lines(context: FlowContext, organization: Organization, after: int) -> tuple[bytes, int]:
    """The next records with the checkpoints between them, and the number of the last one. Blocks: cold reads."""
    limit = min(EXPORT_PAGE, organization.audit_sequence - after)
    records = audit_from(context.database, organization.id, after, limit)
    if not records:
        return b"", after
    signed = checkpoints.checkpoints_after(context.database, organization.id, after, len(records))
    behind = {checkpoint.sequence: checkpoint for checkpoint in signed}
    lines = []
    for record in records:
        lines.append(_line(record._asdict()))
        if record.sequence in behind:
            lines.append(_line({"checkpoint": behind[record.sequence]._asdict()}))
    return b"".join(lines), records[-1].sequence


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _key(row: SigningKey, signs: bool) -> dict[str, Any]:
    return {
        "id": row.id, "algorithm": "ed25519", "public_key": row.public_key, "signs": signs,
        "created_at": answers.time(row.created_at),
    }  # fmt: skip
