"""The scene of `roony restore`, which is killed in the middle and run again."""

from __future__ import annotations

from tests.chaos.scenes import Arm, connections, scene
from tests.support.crashing import Crashable


@scene("restore", "MarkRestored")
def a_database_is_put_back(company: Crashable, arm: Arm) -> None:
    """It approves nothing before it has caught up, however often it was begun; then the books are Stripe's."""
    arm()
    company.until(lambda: all(row["catching_up_since"] is None for row in connections(company)))
    assert company.get("reconciliations", cause="gap")["data"][0]["status"] == "finished"
    assert company.get("audit", action="database.restored", limit=100)["data"]
    company.buy(company.agent())
    company.settle()
