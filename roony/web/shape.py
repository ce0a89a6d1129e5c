"""What every description of an answer is made of: the base, values with an example each, pages of lists, errors."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")


class Shape(BaseModel):
    """An answer or a part of one. What the code answers is written by hand; tests hold it against these models.

    So they are built only where somebody wants the document.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Listed(Shape, Generic[Item]):
    """A page of a list; `next_cursor` is null on the last one."""

    data: list[Item]
    next_cursor: str | None


def like(*examples: Any, about: str | None = None) -> Any:
    """A field as in these examples; the first of them stands in the example of the whole answer."""
    return Field(examples=list(examples), description=about)


def example(**fields: Any) -> ConfigDict:
    """The configuration of a model whose example cannot be put together from its fields."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


Time = Annotated[str, Field(json_schema_extra={"format": "date-time", "examples": ["2026-11-28T14:02:11.520000Z"]})]
Money = Annotated[int, like(12_999, about="Minor units")]
Currency = Annotated[str, like("usd")]
Count = Annotated[int, like(1)]
OrganizationId = Annotated[str, like("org_0e2c7b51d94f4a8c")]
ProjectId = Annotated[str, like("prj_51b8a0c2f7de4913")]
AgentId = Annotated[str, like("agt_7c1d90ab34ef4c52")]
UserId = Annotated[str, like("usr_2d60f1a9b3c84e77")]
KeyId = Annotated[str, like("key_9a4e37c5d2f14b06")]
PurchaseId = Annotated[str, like("pur_4f9e2c81a7b04d35")]
ApprovalId = Annotated[str, like("apr_b27d15e8c09f4a63")]
CardId = Annotated[str, like("crd_83f5a1d07c2e4b96")]
ConnectionId = Annotated[str, like("con_c6b09d2f81e74a35")]
StripeCardId = Annotated[str, like("ic_1SYmKc2eZvKYlo2C")]
AuthorizationId = Annotated[str, like("iauth_1SYmLf2eZvKYlo2C")]
TransactionId = Annotated[str, like("ipi_1SYmMw2eZvKYlo2C")]
Actor = Annotated[str, like("usr_2d60f1a9b3c84e77", about="A person, a key, an agent, or `roony`")]
MerchantShape = Annotated[dict[str, str], like({"name": "Figma", "country": "US"})]


class ReasonShape(Shape):
    """One reason for a verdict; the first one is official."""

    code: Annotated[str, like("APPROVAL_OVER_THRESHOLD")]
    message: Annotated[str, like("A person decides from 100.00 USD on.")]
    scope: str | None = None


class ErrorBody(Shape):
    """What went wrong. `code` is stable, `field` names the first wrong field, `id` what stands in the way.

    `reasons` are those of a decision that refused it.
    """

    code: Annotated[str, like("not_found")]
    message: Annotated[str, like("No purchase with the id pur_4f9e2c81a7b04d35.")]
    field: str | None = None
    id: str | None = None
    reasons: list[ReasonShape] | None = None
    request_id: Annotated[str, like("req_a50c1e7d92bf4836")]


class ErrorAnswer(Shape):
    """Every error has this shape."""

    error: ErrorBody


_WHEN = {"Retry-After": {"description": "Seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not JSON, or did not arrive"},
    401: {
        "description": "No key, or one that is not valid",
        "headers": {"WWW-Authenticate": {"schema": {"type": "string", "enum": ["Bearer"]}}},
    },
    403: {"description": "A key of another kind, role, scope or address"},
    404: {"description": "No such thing, or not yours"},
    409: {"description": "It cannot be done now"},
    410: {"description": "It was there, and retention has removed it"},
    413: {"description": "The body is larger than is taken here: 256 KiB, of a receipt 5 MiB"},
    415: {"description": "The body is not JSON, or no file that is taken"},
    422: {"description": "A field is wrong; nothing was written"},
    429: {"description": "The key called too often; `Retry-After` says when to go on", "headers": _WHEN},
    502: {"description": "Stripe did not answer; nothing was changed"},
    503: {
        "description": "Too busy or not reachable; nothing was changed unless it says so",
        "headers": _WHEN,
    },
}


def error(status: int) -> dict[int | str, dict[str, Any]]:
    """An error as a route declares it; the words for it stand in ERRORS."""
    return {status: {"model": ErrorAnswer}}


# What every call behind a key can be answered with. What follows from an operation's path, query and body is added
# where the document is made, the rest its route declares.
ALWAYS = error(401) | error(403) | error(413) | error(429) | error(503)


def gives(
    shape: type[BaseModel], *errors: int, status: int = 200, replayed: bool = False, also: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What a route says of its answers, which it writes itself: nothing is validated or copied on the way out.

    `errors` are those that do not follow from its path, query and body. `replayed`: 200 for what was made before.
    `also` are other media types than JSON.
    """
    declared: dict[int | str, dict[str, Any]] = {status: {"model": shape, "content": also or {}}}
    if replayed:
        declared[200] = {"model": shape, "description": "A replay: nothing was made, this is what was made before"}
    for one in errors:
        declared |= error(one)
    return {"status_code": status, "response_model": None, "responses": declared}
