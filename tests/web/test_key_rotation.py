"""Rotating the keys of stored tokens by HTTP, and what `/readyz` says of one that is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from roony.store.rows import ConnectionSecret
from roony.store.vault import Vault, key_id_of, row_name
from tests.support.connecting import VAULT_KEY
from tests.support.serving import ServedRoony, serve

ROTATE = "/api/v1/admin/keys/rotate"
STRANGE = hashlib.sha256(b"a key of long ago").digest()


def sealed_by(key: bytes, number: int) -> ConnectionSecret:
    name = f"con_{number}"
    bound = row_name("connection_secrets", "org_x", name, "access_token")
    return ConnectionSecret("org_x", name, "access_token", Vault([key]).seal("token", bound), 0)


@pytest.fixture
def with_strange_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with serve(tmp_path_factory.mktemp("strange")) as served:
        served.books.put(sealed_by(STRANGE, 1), sealed_by(VAULT_KEY, 2))
        yield served


def test_what_it_did_and_what_it_could_not(with_strange_token: ServedRoony) -> None:
    owner = with_strange_token.company().owner
    assert owner.send("POST", ROTATE, {}) == {
        "key_id": key_id_of(VAULT_KEY), "resealed": 0, "already_current": 1,
        "unreadable": {key_id_of(STRANGE): 1}, "damaged": 0, "next_cursor": None,
    }  # fmt: skip
    owner.refused(422, "POST", ROTATE, {"cursor": "nonsense"})
    owner.refused(422, "POST", ROTATE, {"curser": None})


def test_a_missing_key_is_no_reason_to_send_requests_elsewhere(with_strange_token: ServedRoony) -> None:
    nobody = with_strange_token.caller()
    answer = nobody.get("/readyz")
    assert (answer["status"], answer["keys"]) == ("ok", f"missing {key_id_of(STRANGE)}")
