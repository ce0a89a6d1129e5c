"""What is kept of a decision is enough to make it again, from the JSON alone."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given

from roony.core.control import EMPTY, FIELDS, MIN_CARD_TTL_SECONDS, Controls
from roony.core.decision import Ask, Facts, decide
from roony.core.inputs import inputs_of, read_inputs
from tests.core.test_decision import ALL_FACTS, ASKS, EASY_FACTS, NOW


def settable(controls: Controls) -> Controls:
    """The same as far as an owner can set it: no list that allows nothing, no card of some seconds."""
    seconds = controls.card_ttl_seconds
    lists = {name: getattr(controls, name) or None for name in FIELDS if name.startswith("allowed_")}
    return replace(controls, **lists, card_ttl_seconds=None if seconds is None else max(seconds, MIN_CARD_TTL_SECONDS))


@given(ask=ASKS, facts=ALL_FACTS | EASY_FACTS)
def test_the_kept_inputs_decide_the_same_again(ask: Ask, facts: Facts) -> None:
    facts = replace(facts, controls=tuple((scope, settable(controls)) for scope, controls in facts.controls))
    said = json.loads(json.dumps(inputs_of(ask, facts, {"agt_1": 3}, NOW)))
    again = read_inputs(said)
    assert again is not None
    assert decide(*again) == decide(ask, facts, NOW)
    assert said["control_versions"] == {"agt_1": 3}
    assert inputs_of(again[0], again[1], {"agt_1": 3}, again[2]) == said
    assert len(said["controls"]) == sum(controls != EMPTY for _, controls in facts.controls)
