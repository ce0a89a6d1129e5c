"""What the files of this folder have in common: their place in the API, the key they ask for and how they refuse."""

from __future__ import annotations

from fastapi import APIRouter

from roony.web.auth import ADMIN_KEY
from roony.web.requests import KeyedRoute
from roony.web.shape import ALWAYS

# Answers of one JSON object a line.
NDJSON = "application/x-ndjson"


def new_part(tag: str) -> APIRouter:
    """The router of one noun, complete in itself: including it into another one would build every route again."""
    return APIRouter(
        prefix="/api/v1/admin", route_class=KeyedRoute, dependencies=[ADMIN_KEY], tags=[tag], responses=ALWAYS
    )
