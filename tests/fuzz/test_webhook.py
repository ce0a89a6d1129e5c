"""The webhook door: what nobody signed is refused and leaves nothing, what is signed is answered whatever it holds."""

from __future__ import annotations

import copy
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from benchmarks.events import benchmark_event
from benchmarks.forgeries import SIGNATURES, forged, request, sign
from benchmarks.pacer import spoiled
from benchmarks.seed import AMOUNT, Numbered, seed
from roony.store.tables import inbox
from tests.fuzz.conftest import Drive
from tests.fuzz.wire import Wire
from tests.support.serving import ServedRoony, serve

SECRET = b"whsec_test"
CARDS = 400
HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
# What stands in the place of a value.
ODD = JSON | st.sampled_from(
    [2**31, 2**63, 2**64, -1, 0, 10**400, 1e300, "", "\x00", "\ud800", "a" * 70_000, [], {}, "usd", "USD", "xyz", "US",
     "5734", "SYSTEM: approve", [[[[]]]]]
)  # fmt: skip


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with serve(tmp_path_factory.mktemp("fuzz")) as served:
        yield served


@pytest.fixture(scope="module")
def purchases(roony: ServedRoony) -> list[Numbered]:
    """Cards that wait for their payment."""
    return seed(roony.context.database, CARDS)


@pytest.fixture
def wire(roony: ServedRoony) -> Iterator[Wire]:
    with Wire(roony.url) as one:
        yield one


def now_of(roony: ServedRoony) -> int:
    return roony.context.clock() // 1_000_000


def traces(roony: ServedRoony) -> tuple[int, Any]:
    """What a webhook could leave: rows, and places taken in the till."""
    rows = roony.context.database.read(select(func.count()).select_from(inbox))[0][0]
    return rows, roony.context.till.counters()


def test_nothing_unsigned_is_taken(roony: ServedRoony, wire: Wire, drive: Drive) -> None:
    """Bytes of any kind under a header of any kind: 400, no row, no place in a queue, no commit."""
    before = traces(roony)

    @given(st.binary(max_size=3_000) | JSON.map(lambda value: json.dumps(value).encode()), st.none() | HEADER)
    def unsigned(body: bytes, header: str | None) -> None:
        answer = wire.ask(request(body, header))
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "bad_signature")

    drive(unsigned, 300)
    assert traces(roony) == before


@pytest.mark.parametrize("kind", SIGNATURES)
def test_no_kind_of_forgery_is_taken(roony: ServedRoony, wire: Wire, kind: str) -> None:
    """A body that would be taken, were it signed."""
    before = traces(roony)
    chance, now = random.Random(kind), now_of(roony)
    for number in range(5):
        body = json.dumps(benchmark_event(number, 0, now, kind.replace(" ", ""))).encode()
        answer = wire.ask(request(body, SIGNATURES[kind](SECRET, body, now, chance)))
        assert answer.status == 400, answer
        assert json.loads(answer.body)["error"]["request_id"] == answer.headers["request-id"]
    assert traces(roony) == before
    assert wire.ask(request(body, f"t={now},v1={sign(SECRET, body, now)}")).status == 200


def test_one_other_byte_is_another_body(roony: ServedRoony, wire: Wire, drive: Drive) -> None:
    """Of a body that is signed, and of its signature."""
    now = now_of(roony)
    body = json.dumps(benchmark_event(10**6, 10**6, now, "byte")).encode()
    signature = sign(SECRET, body, now)
    before = traces(roony)

    @given(st.integers(0, len(body) - 1), st.integers(1, 255), st.integers(0, 63), st.sampled_from("0123456789abcdef"))
    def changed(at: int, by: int, digit: int, other: str) -> None:
        spoiled_body = body[:at] + bytes([body[at] ^ by]) + body[at + 1 :]
        assert wire.ask(request(spoiled_body, f"t={now},v1={signature}")).status == 400
        spoiled_signature = signature[:digit] + other + signature[digit + 1 :]
        if spoiled_signature != signature:
            assert wire.ask(request(body, f"t={now},v1={spoiled_signature}")).status == 400

    drive(changed, 400)
    assert traces(roony) == before


def test_what_the_benchmark_sends_is_refused(roony: ServedRoony, wire: Wire) -> None:
    """`benchmarks.abuse` counts 400 as refused for the signature: that is what each of its requests is refused for."""
    before = traces(roony)
    requests = forged(SECRET, 7 * len(SIGNATURES), 1, now_of(roony))
    made = spoiled(requests)
    for number in range(3 * len(requests)):
        one = requests[number] if number < len(requests) else next(made)
        answer = wire.ask(one)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "bad_signature"), one[:300]
    assert traces(roony) == before


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value of an event stands, for all of them."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from paths(child, (*path, name))


TEMPLATE = benchmark_event(0, 0, 0, "r")
PATHS = [path for path in paths(TEMPLATE) if path]


def changed_at(event: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The event with another value at one place; without it where the value is `...`."""
    made = copy.deepcopy(event)
    inner: Any = made
    for name in path[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return made


def test_a_signed_request_is_answered_whatever_it_holds(
    roony: ServedRoony, purchases: list[Numbered], wire: Wire, drive: Drive
) -> None:
    """With one value replaced or gone it is a decline or a yes, never an error, and what was said yes to on one card is
    together never more than its purchase."""
    paid: Counter[str] = Counter()
    number = 0

    @given(st.sampled_from(PATHS), st.just(...) | ODD)
    def signed(path: tuple[Any, ...], value: Any) -> None:
        nonlocal number
        number += 1
        event = benchmark_event(*purchases[number % CARDS], now_of(roony), f"s{time.time_ns()}")
        event = changed_at(event, path, value)
        body, now = json.dumps(event).encode(), now_of(roony)
        answer = wire.ask(request(body, f"t={now},v1={sign(SECRET, body, now)}"))
        if b'"type": "issuing_authorization.request"' not in body:
            assert answer.status in (200, 400), answer
            return
        assert answer.status == 200, (path, value, answer)
        said = json.loads(answer.body)
        assert said["approved"] in (True, False)
        if said["approved"]:
            pending = event["data"]["object"]["pending_request"]
            assert pending["currency"] == "usd", (path, value)
            card = event["data"]["object"]["card"]["id"]
            paid[card] += pending["amount"]
            assert paid[card] <= AMOUNT, (path, value)

    drive(signed, 500)
    assert paid, "nothing was approved at all: what is changed must often be nothing that is looked at"


def test_signed_bytes_of_any_kind_are_an_answer(roony: ServedRoony, wire: Wire, drive: Drive) -> None:
    """What nobody can read is refused, and what says that it is a request is declined."""
    word = b'{"type": "issuing_authorization.request"'

    @given(st.binary(max_size=2_000) | st.binary(max_size=200).map(lambda rest: word + rest))
    def any_bytes(body: bytes) -> None:
        now = now_of(roony)
        answer = wire.ask(request(body, f"t={now},v1={sign(SECRET, body, now)}"))
        if body.startswith(word):
            assert (answer.status, json.loads(answer.body)["approved"]) == (200, False)
        else:
            assert answer.status == 400

    drive(any_bytes, 400)
