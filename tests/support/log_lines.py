"""What a module logs, whatever was run in this process before."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import structlog
from structlog.testing import capture_logs


@contextmanager
def logged(module: ModuleType) -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines of this module's `log` meanwhile.

    A logger keeps what a command of Roony configured when it was first used after that, so it is given a new one.
    """
    kept, module.log = module.log, structlog.get_logger()
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        module.log = kept
