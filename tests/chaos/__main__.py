"""`python -m tests.chaos` lists the stop points, as read from the code, with the scene each is played in."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tests.chaos.playing import SQLITE_ONLY, things
from tests.chaos.points import all_points


def main() -> None:
    """Prints the table."""
    scenes = things()
    table = Table(title=f"{len(all_points())} points at which Roony may be killed")
    table.add_column("ROONY_STOP_AT", overflow="fold")
    table.add_column("Scene", overflow="fold")
    table.add_column("On")
    for point in all_points():
        thing = point.partition(":")[2]
        scene = scenes[thing].play.__name__.replace("_", " ") if thing in scenes else "[red]none[/red]"
        table.add_row(point, scene, "sqlite" if thing in SQLITE_ONLY else "both")
    Console().print(table)


if __name__ == "__main__":
    main()
