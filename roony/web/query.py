"""What stands behind `?`, read as the OpenAPI document has it."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


class Query(BaseModel):
    """The parameters behind `?`: exactly these, their numbers and truth values as JSON has them."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _as_in_json(cls, text: Any, info: ValidationInfo) -> Any:
        """pydantic alone would take `limit=1_0` for ten, and `dry_run=t` or `force=1` for a yes."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if kind is bool and text not in ("true", "false"):
            raise PydanticCustomError("bool_type", "It must be true or false")
        if kind in (int, float) and not _NUMBER.fullmatch(str(text)):
            raise PydanticCustomError("number", "It must be a whole number" if kind is int else "It must be a number")
        return text
