"""Random tests of the core: the same examples on every run, and no time limit for a single one on a busy machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("core", deadline=None, derandomize=True)
settings.load_profile("core")
