"""Signs the chains of some books and takes the evidence of a purchase out of them, as somebody else would get it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sqlalchemy import select

from roony.core.agent import Organization
from roony.core.evidence import Proven, check_evidence
from roony.core.purchase import Purchase
from roony.flows.checkpoint import Signed, sign_now
from roony.flows.context import FlowContext
from roony.store.database import INSTALLATION_ROW
from roony.store.queries.evidence import evidence_of
from roony.store.signing import is_signed
from roony.store.tables import organizations
from roony.web.evidence import shown_evidence
from tests.support.books import ORG, Books


def install(books: Books) -> None:
    """The installation's own row, which the first organization brings along."""
    if not books.rows(Organization, id=INSTALLATION_ROW.id):
        books.put(INSTALLATION_ROW)


def sign_all(context: FlowContext, organization_id: str = ORG) -> Signed:
    """Signs everything there is of a chain."""
    signed = asyncio.run(sign_now(context, organization_id))
    assert isinstance(signed, Signed), signed
    assert not signed.more
    return signed


def bundle_of(context: FlowContext, purchase_id: str, organization_id: str = ORG) -> Any:
    """The evidence of a purchase, through JSON."""
    [row] = context.database.read(select(organizations).where(organizations.c.id == organization_id))
    found = evidence_of(context.database, organization_id, purchase_id)
    assert found is not None
    return json.loads(json.dumps(shown_evidence(Organization(*row), found, context.clock())))


def proven(bundle: Any, *public_keys: str) -> Proven:
    """What a bundle shows to somebody who has only it and the key."""
    return check_evidence(bundle, is_signed, public_keys)


def all_proven(context: FlowContext, books: Books) -> None:
    """The evidence of every purchase there is shows all that is said in it."""
    install(books)
    for organization_id in {row.organization_id for row in books.rows(Purchase)}:
        sign_all(context, organization_id)
        for purchase in books.rows(Purchase, organization_id=organization_id):
            bundle = bundle_of(context, purchase.id, organization_id)
            shown = proven(bundle)
            assert shown.problems == [], (purchase, shown, bundle["records"])
