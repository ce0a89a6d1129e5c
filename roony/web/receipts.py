"""Where agents hand in receipts: the file itself as the body, or a form with one file, read up to its limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import JSONResponse

from roony.core.receipt import ENDINGS, MAX_RECEIPT, TEXT, Receipt
from roony.flows.receipt import keep_receipt
from roony.store.queries.purchases import find_purchase
from roony.web import answers, shapes
from roony.web.auth import AGENT_KEY, AgentOf, ContextOf
from roony.web.errors import accepted, found, refuse
from roony.web.requests import AgentRoute, read_body
from roony.web.shape import ALWAYS, gives

# What a form adds around its file, in bytes.
MAX_FORM_LINES = 4_096
KEEP_SECONDS = 10.0
# Read of a form at a time, in bytes.
PIECE = 65_536
_FORM = "multipart/form-data"
_FORM_SAYS = "It must be a form with one file, named `file`."
FILES = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ENDINGS}
_FORM_SCHEMA = {
    "type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}},
}  # fmt: skip
_BODY = {
    "required": True,
    "description": "PDF, PNG, JPEG, WebP or plain text of at most 5 MiB",
    "content": {**FILES, _FORM: {"schema": _FORM_SCHEMA}},
}


class ReceiptRoute(AgentRoute):
    """A route whose body is a receipt."""

    longest = MAX_RECEIPT + MAX_FORM_LINES


router = APIRouter(
    prefix="/api/v1", route_class=ReceiptRoute, dependencies=[AGENT_KEY], tags=["Agents"], responses=ALWAYS
)


@router.post(
    "/purchase_intents/{id}/receipt", **gives(shapes.ReceiptAnswer, 409, status=201, replayed=True),
    openapi_extra={"requestBody": _BODY},
)  # fmt: skip
async def upload_receipt(id: str, request: Request, agent: AgentOf, context: ContextOf) -> JSONResponse:
    """Hand in a receipt of a purchase, at most ten for each. The same file again is the same receipt."""
    # Before anything is read: whose purchase it is.
    found(await run_in_threadpool(find_purchase, context.database, agent.organization_id, id, agent.id), "purchase", id)
    media_type, content = await _file(request)
    until = time.monotonic() + KEEP_SECONDS
    receipt, new = accepted(await keep_receipt(context, agent, id, media_type, content, until))
    return JSONResponse(shown(receipt), 201 if new else 200)


def shown(row: Receipt) -> dict[str, Any]:
    """A receipt without its content."""
    return {
        "id": row.id, "purchase_id": row.purchase_id, "agent_id": row.agent_id, "media_type": row.media_type,
        "size": row.size, "sha256": row.sha256, "created_at": answers.time(row.created_at),
        "content_removed_at": answers.time(row.content_removed_at),
    }  # fmt: skip


async def _file(request: Request) -> tuple[str, bytes]:
    """The media type and the bytes that were sent. Raises Refused: 413 without reading on, 415, 422 for a bad form."""
    given = request.headers.getlist("content-type")
    kind = _media_type(given[0] if len(given) == 1 else "")
    if kind == _FORM:
        return await _file_of_form(request, await read_body(request, ReceiptRoute.longest))
    if kind not in ENDINGS:
        raise refuse(415, "Send a PDF, PNG, JPEG, WebP or plain text with its Content-Type, or a form with a `file`.")
    return kind, await read_body(request, MAX_RECEIPT)


async def _file_of_form(request: Request, body: bytes) -> tuple[str, bytes]:
    async def pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]
            # Others have their turn: a form of nothing but line breaks is slow to read.
            await asyncio.sleep(0)

    try:
        form = await MultiPartParser(request.headers, pieces(), max_files=1, max_fields=0).parse()
    except (MultiPartException, KeyError, UnicodeDecodeError):
        raise refuse(422, _FORM_SAYS, field="file") from None
    file = form.get("file")
    try:
        if not isinstance(file, UploadFile):
            raise refuse(422, _FORM_SAYS, field="file")
        return _media_type(file.content_type or ""), await file.read()
    finally:
        await form.close()


def _media_type(given: str) -> str:
    """The media type without its parameters; a text in another character set than UTF-8 is none we take."""
    kind, _, parameters = given.lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if kind.strip() == TEXT and charset not in ("", "charset=utf-8"):
        return ""
    return kind.strip()
