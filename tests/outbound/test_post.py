"""One request over real sockets: which address it goes to, under which name, and what it does not put up with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from roony.outbound import post
from roony.outbound.guard import Guard
from roony.outbound.post import Poster, Sent
from tests.outbound.conftest import NAME, Certified
from tests.outbound.test_guard import names
from tests.support.ports import hold_port
from tests.support.receiver import Receiver, Reply

LOOPBACK = "127.0.0.0/8"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def send(poster: Poster, url: str) -> Sent:
    """One POST with a header of ours."""
    return asyncio.run(poster.post(url, {"webhook-id": "whd_a"}, b'{"a":1}'))


def test_it_arrives_with_its_headers_and_the_hosts_name(receiver: Receiver) -> None:
    url = f"http://inside.example:{receiver.port}/hook?x=1"
    assert send(Poster(Guard(LOOPBACK, names("127.0.0.1"))), url) == Sent(200, None)
    [arrived] = receiver.arrived
    assert arrived.path == "/hook?x=1"
    assert arrived.headers["host"] == f"inside.example:{receiver.port}"
    assert arrived.headers["webhook-id"] == "whd_a"
    assert arrived.body == '{"a":1}'


def test_a_private_receiver_that_is_not_listed_is_never_reached(receiver: Receiver) -> None:
    for url in (receiver.url, receiver.url.replace("http:", "https:")):
        sent = send(Poster(Guard()), url)
        assert sent.status is None
        assert "private_address" in str(sent.error)
    sent = send(Poster(Guard(resolve=names("127.0.0.1"))), f"https://inside.example:{receiver.port}/")
    assert "private_address" in str(sent.error)
    assert receiver.arrived == []


def test_the_second_address_is_tried_where_the_first_takes_no_connection(receiver: Receiver) -> None:
    url = f"http://inside.example:{receiver.port}/"
    # Nothing listens there on this port.
    assert send(Poster(Guard(LOOPBACK, names("127.0.0.9", "127.0.0.1"))), url) == Sent(200, None)
    assert len(receiver.arrived) == 1


def test_a_redirect_is_an_answer_and_not_followed(receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.script(Reply(307, {"location": other.url}))
        sent = send(Poster(Guard(LOOPBACK)), receiver.url)
        assert sent == Sent(307, None)
        assert not sent.is_taken
        assert other.arrived == []


@pytest.mark.parametrize(
    ("status", "taken"), [(200, True), (204, True), (299, True), (302, False), (404, False), (500, False)]
)
def test_only_2xx_says_that_it_was_taken(receiver: Receiver, status: int, taken: bool) -> None:
    receiver.script(Reply(status))
    sent = send(Poster(Guard(LOOPBACK)), receiver.url)
    assert (sent.status, sent.is_taken) == (status, taken)


def test_a_receiver_that_does_not_answer_is_not_waited_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "TOTAL_SECONDS", 0.2)
    answer = threading.Event()
    receiver.script(Reply(wait_for=answer))
    sent = send(Poster(Guard(LOOPBACK)), receiver.url)
    answer.set()
    assert sent.status is None
    assert str(sent.error).startswith("no answer")


def test_a_connection_that_is_dropped_or_refused_is_no_answer(receiver: Receiver) -> None:
    receiver.script(Reply(drop=True))
    assert str(send(Poster(Guard(LOOPBACK)), receiver.url).error).startswith("no answer")
    with hold_port() as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/hook"
        assert str(send(Poster(Guard(LOOPBACK)), url).error).startswith("no connection")


def test_of_a_long_answer_only_the_beginning_is_read(receiver: Receiver) -> None:
    receiver.script(Reply(200, body=b"a" * (8 * post.MAX_ANSWER)))
    assert send(Poster(Guard(LOOPBACK)), receiver.url) == Sent(200, None)


class TestTls:
    """The address was resolved before, the certificate must be the name's all the same."""

    @pytest.fixture
    def secure(self, certified: Certified) -> Iterator[Receiver]:
        with Receiver(certified.server) as one:
            yield one

    @pytest.fixture
    def poster(self, certified: Certified) -> Callable[[], Poster]:
        return lambda: Poster(Guard(LOOPBACK, names("127.0.0.1")), certified.client)

    def test_the_certificate_of_the_name_is_good(self, secure: Receiver, poster: Callable[[], Poster]) -> None:
        assert send(poster(), f"https://{NAME}:{secure.port}/hook") == Sent(200, None)
        assert secure.arrived[0].headers["host"] == f"{NAME}:{secure.port}"

    def test_the_same_machine_under_another_name_is_refused(
        self, secure: Receiver, poster: Callable[[], Poster]
    ) -> None:
        sent = send(poster(), f"https://other.example:{secure.port}/hook")
        assert sent.status is None
        assert "TLS" in str(sent.error)
        assert secure.arrived == []

    def test_a_certificate_nobody_signed_is_refused(self, secure: Receiver) -> None:
        sent = send(Poster(Guard(LOOPBACK, names("127.0.0.1"))), f"https://{NAME}:{secure.port}/hook")
        assert "TLS" in str(sent.error)
        assert secure.arrived == []
