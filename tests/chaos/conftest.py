"""One theatre for each database, and the table at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.playing import Theatre


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Theatre]]:
    """The theatre of a database, by its name."""
    opened: dict[str, Theatre] = {}

    def of(backend: str) -> Theatre:
        if backend not in opened:
            folder: Path = tmp_path_factory.mktemp(backend)
            opened[backend] = Theatre(folder, backend)
        return opened[backend]

    yield of
    for each in opened.values():
        each.__exit__()
