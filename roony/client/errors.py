"""Errors of the client: what Roony refused, and what never came back."""

from __future__ import annotations

from collections.abc import Sequence

from roony.client.answers import Reason


class RoonyError(Exception):
    """A call that Roony refused.

    `code` is stable and `message` a sentence; `field` names what was wrong in the call, `id` what stands in the way,
    and `reasons` are those of a decision. `status` is the HTTP status, `retry_after` how many seconds to wait before
    the same call may succeed, and `request_id` finds the call in Roony's log.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        field: str | None = None,
        id: str | None = None,
        reasons: Sequence[Reason] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {f'{field}: ' if field else ''}{message}")
        self.code = code
        self.message = message
        self.status = status
        self.field = field
        self.id = id
        self.reasons = list(reasons)
        self.request_id = request_id
        self.retry_after = retry_after


class Unreachable(RoonyError):
    """No answer came, after all tries. Whether Roony did what was asked is not known: the same call may be repeated."""
