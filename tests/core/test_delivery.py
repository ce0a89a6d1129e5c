"""Which way card details go, when a link is good, and thumbprints."""

from __future__ import annotations

import pytest

from roony.core.control import DELIVERIES
from roony.core.delivery import (
    LINK_LIFETIME,
    MAX_WRONG_KEYS,
    RevealLink,
    allowed_delivery,
    delivers_as,
    thumbprint,
)

LINK = RevealLink("h", "org_1", "pur_1", 1, "agt_1", "pay", 0, LINK_LIFETIME, None, None, 0)


@pytest.mark.parametrize(
    ("organization", "said", "allowed"),
    [
        ("raw", [], "raw"),
        ("raw", [None, None, None], "raw"),
        ("raw", [None, "reveal", None], "reveal"),
        ("raw", ["reveal", "sealed", "raw"], "sealed"),
        ("sealed", ["raw", "raw", "raw"], "sealed"),
        ("reveal", ["raw"], "reveal"),
    ],
)
def test_the_strictest_of_all_is_what_is_allowed(organization: str, said: list[str | None], allowed: str) -> None:
    assert allowed_delivery(organization, said) == allowed


@pytest.mark.parametrize(
    ("allowed", "answers"),
    [
        ("sealed", {None: "sealed", "sealed": "sealed", "reveal": None, "raw": None}),
        ("reveal", {None: "reveal", "sealed": "sealed", "reveal": "reveal", "raw": None}),
        ("raw", {None: "raw", "sealed": "sealed", "reveal": "reveal", "raw": "raw"}),
    ],
)
def test_a_request_may_be_stricter_and_never_weaker(allowed: str, answers: dict[str | None, str | None]) -> None:
    assert {wanted: delivers_as(wanted, allowed) for wanted in (None, *DELIVERIES)} == answers


@pytest.mark.parametrize(
    ("link", "now", "good"),
    [
        (LINK, 0, True),
        (LINK, LINK_LIFETIME - 1, True),
        (LINK, LINK_LIFETIME, False),
        (LINK._replace(used_at=5), 6, False),
        (LINK._replace(wrong_keys=MAX_WRONG_KEYS - 1), 0, True),
        (LINK._replace(wrong_keys=MAX_WRONG_KEYS), 0, False),
    ],
)
def test_when_a_link_is_good(link: RevealLink, now: int, good: bool) -> None:
    assert link.is_open(now) is good


def test_a_thumbprint_is_the_hash_of_the_key_as_it_is_kept() -> None:
    """The public key of RFC 7748 section 6.1 in the form RFC 8037 appendix A.6 gives it, hashed as RFC 7638 says."""
    kept = '{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
    assert thumbprint(kept) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
