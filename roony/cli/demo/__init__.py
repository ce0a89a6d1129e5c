"""`roony demo`: the main job from end to end over real HTTP, each step printed and checked."""

from __future__ import annotations

import typer

from roony.cli.output import FAILED


def demo() -> None:
    """Play the main story on an embedded database and the simulated Stripe: connect, ask, pay, settle, refuse."""
    import tempfile
    import time
    from pathlib import Path

    import httpx2

    from roony.cli.demo.checks import NotAsExpected, Teller
    from roony.cli.demo.child import ChildFailed, ServedRoony
    from roony.cli.demo.story import play

    began = time.monotonic()
    teller = Teller()
    with tempfile.TemporaryDirectory(prefix="roony-demo-") as folder:
        try:
            with ServedRoony(Path(folder)) as roony:
                try:
                    play(roony, teller, Path(folder))
                except (NotAsExpected, httpx2.HTTPError) as error:
                    teller.failed(str(error) or type(error).__name__)
                    typer.echo(f"The end of Roony's log:\n{roony.log_tail()}", err=True)
                    raise typer.Exit(FAILED) from None
        except ChildFailed as error:
            teller.failed(str(error))
            raise typer.Exit(FAILED) from None
    teller.done(time.monotonic() - began)
