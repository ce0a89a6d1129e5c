"""Stop points: their names, the short ones of old, the third time, and what happens there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roony import stop_points


@pytest.fixture(autouse=True)
def unarmed() -> Iterator[None]:
    """No point stays chosen for the tests that follow."""
    yield
    stop_points.arm(None)


@pytest.mark.parametrize(
    ("chosen", "passed", "reached"),
    [
        ("after_commit", ["before_commit", "after_commit"], 2),
        ("after_commit:AskPurchase", ["after_commit", "after_commit:AskPurchase"], 2),
        ("after_commit:inbox.keep", ["after_commit:inbox.claim", "after_commit:inbox.keep"], 2),
        ("after_commit#3", ["after_commit"] * 5, 3),
        ("before_call:create_card#2", ["before_call:create_card", "after_call:create_card"] * 2, 3),
        ("after_hold", ["before_call:list_cards", "before_call:create_card"], 2),
        ("before_card_call", ["before_call:create_card"], 1),
        ("after_card_call", ["before_call:create_card", "after_call:create_card"], 2),
        ("after_card_recorded", ["after_commit:AskPurchase", "after_commit:RecordCard"], 2),
        ("after_code_exchange", ["after_call:exchange_code"], 1),
        (None, ["after_commit"], 0),
    ],
)
def test_it_happens_at_the_chosen_point_once(chosen: str | None, passed: list[str], reached: int) -> None:
    happened: list[int] = []
    place = 0
    stop_points.arm(chosen, lambda: happened.append(place))
    for place, point in enumerate(passed, 1):  # noqa: B007 - what is passed is told by its place
        moment, _, thing = point.partition(":")
        stop_points.reach(moment, [thing] if thing else [])
    assert happened == ([reached] if reached else [])


def test_a_batch_passes_the_moment_once_and_each_of_its_commands_once() -> None:
    happened: list[str] = []
    for point in ("before_commit", "before_commit:AskPurchase"):
        stop_points.arm(point, lambda point=point: happened.append(point))  # type: ignore[misc]
        stop_points.reach("before_commit", ["AskPurchase", "AskPurchase", "inbox.keep"])
    assert happened == ["before_commit", "before_commit:AskPurchase"]


@pytest.mark.parametrize(
    "name",
    ["anywhere", "after_commit:", "after_commit:a b", "after_commit#0", "after_hold:AskPurchase", "commit", "#1"],
)
def test_a_name_of_no_point_is_refused(name: str) -> None:
    assert not stop_points.is_point(name)
    with pytest.raises(ValueError, match="ROONY_STOP_AT must be one of"):
        stop_points.arm(name)
