"""Plays one scene with Roony killed at one point, in a company that goes on from scene to scene."""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from tests.chaos import (
    archiving,
    cards,
    connecting,
    installing,
    people,
    raising,
    reconciling,
    renewing,
    restoring,
    signing,
    signing_in,
    telling,
    watching,
)
from tests.chaos.scenes import SCENES, Scene
from tests.support.crashing import Crashable
from tests.support.postgres import empty_database

# The scenes of these modules are registered by being imported.
__all__ = [
    "SQLITE_ONLY",
    "Theatre",
    "archiving",
    "cards",
    "connecting",
    "installing",
    "people",
    "raising",
    "reconciling",
    "renewing",
    "restoring",
    "signing",
    "signing_in",
    "telling",
    "things",
    "watching",
]
# Points that only one of the databases has, or where a server makes the schema itself.
SQLITE_ONLY = ("wiring._free_leases", "one_time_link.make_first_run")


def things() -> dict[str, Scene]:
    """The scene of each commit and call."""
    return {thing: each for each in SCENES for thing in each.things}


class Theatre:
    """Companies on one kind of database. One that was found wrong is closed, and the next scene gets a new one."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.folder, self.backend = folder, backend
        self.restarts = 0
        self._open: dict[str, tuple[contextlib.ExitStack, Crashable]] = {}
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for stage in list(self._open):
            self._close(stage)

    def play(self, point: str) -> None:
        """Kills Roony at this point of its scene. Raises AssertionError when it was not reached, or all is not well."""
        scene = things()[point.partition(":")[2]]
        plays: dict[str, Callable[[Scene, str], None]] = {
            "start": self._start, "new": self._new, "empty": self._empty, "archive": self._archive,
            "restore": self._restore, "retention": self._retention,
        }  # fmt: skip
        plays.get(scene.stage, self._scene)(scene, point)

    def draw(self, dice: random.Random) -> list[str]:
        """Points of one scene that goes on in the same company: the first to die at, the others while it recovers."""
        scene = dice.choice(
            [scene for scene in SCENES if scene.stage in ("direct", "connect") and len(scene.things) > 2]
        )
        moments = {"commit": ("before_commit", "after_commit"), "call": ("before_call", "after_call")}
        drawn = []
        for _ in range(dice.randint(1, 3)):
            thing = dice.choice(scene.things)
            kind = "commit" if thing[0].isupper() or "." in thing else "call"
            drawn.append(f"{dice.choice(moments[kind])}:{thing}#{dice.choice((1, 1, 1, 2, 3))}")
        return drawn

    def play_at_random(self, points: list[str]) -> int:
        """Plays the scene of these points; how often Roony died, which may be less often than it was told to."""
        scene = things()[points[0].partition(":")[2].partition("#")[0]]
        company = self._company(scene.stage)
        crashes, restarts = company.crashes, company.restarts
        company.next_stops = points[1:]
        try:
            scene.play(company, lambda: company.arm(points[0]))
            # What was not reached is not to be reached by the next scene.
            company.next_stops = []
            company.disarm()
            company.check()
        except BaseException:
            self._close(scene.stage)
            raise
        finally:
            self.restarts += company.restarts - restarts
        return company.crashes - crashes

    def _scene(self, scene: Scene, point: str) -> None:
        company = self._company(scene.stage)
        crashes, restarts = company.crashes, company.restarts
        try:
            scene.play(company, lambda: company.arm(point))
            company.settle()
            company.expect_crash(crashes + 1, point)
            company.check()
        except BaseException:
            self._close(scene.stage)
            raise
        finally:
            self.restarts += company.restarts - restarts
        if scene.stage == "fresh":
            self._close(scene.stage)

    def _start(self, _scene: Scene, point: str) -> None:
        """Killed while it starts."""
        company = self._company("direct")
        assert company.process is not None
        company.process.stop()
        company.start(stop_at=point)
        company.recover()
        company.check()

    def _empty(self, _scene: Scene, point: str) -> None:
        """Killed while it makes the link to the first run, there being no organization yet."""
        with self._place() as company:
            company.start_simulator()
            company.start(stop_at=point)
            company.recover()
            company.check()

    def _new(self, _scene: Scene, point: str) -> None:
        """Killed in `roony init`, which says the owner's key once: lost with the answer, it begins on a new file."""
        with self._place() as company:
            assert company.init(stop_at=point) == -signal.SIGKILL
            assert company.init() == (0 if point.startswith("before") else 1)
            company.start_simulator()
            company.start()
            company.check()

    def _archive(self, scene: Scene, point: str) -> None:
        """Killed in `roony archive`, which then goes on: beside the server on PostgreSQL, without it on SQLite."""
        company = self._company("direct")
        assert company.process is not None

        def killed() -> None:
            if self.backend == "sqlite":
                company.process.stop()
            assert company.archive(stop_at=point) == -signal.SIGKILL
            assert company.archive() == 0
            if self.backend == "sqlite":
                company.start()

        scene.play(company, killed)
        company.check()

    def _retention(self, scene: Scene, point: str) -> None:
        """Killed while it removes what is old, as it does soon after a start with days for it, and started again."""
        company = self._company("direct")
        assert company.process is not None

        def killed() -> None:
            company.process.stop()
            company.start(stop_at=point)
            company.recover()

        company.settings = {"ROONY_KEEP_EVENT_DAYS": "45", "ROONY_KEEP_RECEIPT_DAYS": "45"}
        try:
            scene.play(company, killed)
            company.check()
        finally:
            company.settings = {}

    def _restore(self, scene: Scene, point: str) -> None:
        """Killed in `roony restore`, which is then run again; no server runs meanwhile."""
        company = self._company("direct")
        assert company.process is not None
        company.process.stop()
        if self.backend == "sqlite":
            (company.folder / "copy").unlink(missing_ok=True)
            assert company.back_up() == 0
        company.start()

        def killed() -> None:
            company.process.stop()
            assert company.restore(stop_at=point) == -signal.SIGKILL
            assert company.restore() == 0
            company.start()

        scene.play(company, killed)
        company.check()

    def _company(self, stage: str) -> Crashable:
        if stage not in self._open:
            stack = contextlib.ExitStack()
            try:
                company = stack.enter_context(self._place())
                company.open()
                if stage == "direct":
                    company.connect_direct()
                    # So that the account has a cardholder, and a card that a scene finds it by.
                    company.buy(company.agent())
                    company.settle()
            except BaseException:
                stack.close()
                raise
            self._open[stage] = (stack, company)
        return self._open[stage][1]

    @contextlib.contextmanager
    def _place(self) -> Iterator[Crashable]:
        self._count += 1
        folder = self.folder / f"company_{self._count}"
        folder.mkdir()
        with contextlib.ExitStack() as stack:
            url = stack.enter_context(empty_database()) if self.backend == "postgresql" else None
            yield stack.enter_context(Crashable(folder, url))

    def _close(self, stage: str) -> None:
        if stage in self._open:
            self._open.pop(stage)[0].close()
