"""Messages to people: which services, and that the process which sends them reaches nothing inside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from roony.outbound.guard import Blocked, Guard
from roony.outbound.messenger import Messenger, check_recipient_url
from tests.support.receiver import Receiver, Reply


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def send(receiver: Receiver, networks: str) -> str | None:
    """A text to a service on this machine."""
    url = f"mmost://127.0.0.1:{receiver.port}/3ccdd113474722377935511fc85d3dd4"
    return asyncio.run(Messenger(Guard(networks)).send(url, "Approval wanted", "Agent asks"))


def test_a_text_arrives_where_the_operator_lists_the_network(receiver: Receiver) -> None:
    assert send(receiver, "127.0.0.0/8") is None
    [arrived] = receiver.arrived
    assert "Agent asks" in arrived.body


def test_nothing_inside_is_reached(receiver: Receiver) -> None:
    assert "private_address" in str(send(receiver, ""))
    assert receiver.arrived == []


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.script(Reply(307, {"location": other.url}))
        assert send(receiver, "127.0.0.0/8") == "the service did not take it"
        assert other.arrived == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "scheme"), ("json://receiver.example/", "scheme"),
        ("https://receiver.example/", "scheme"),
        ("dbus://", "scheme"), ("syslog://", "scheme"), ("apprise://host/token", "scheme"), ("", "unreadable"),
        ("slack://a/b/c\n", "unreadable"), ("slack://a/b/c?attach=/etc/passwd", "parameter"),
        ("slack://a/b/c?ATTACH=file:///etc/passwd", "parameter"), ("mailto://a:b@c.example?verify=no", "parameter"),
        ("workflows://h/w/s?template=/etc/passwd", "parameter"), ("slack://a/b/c?format=html", "parameter"),
    ],
)  # fmt: skip
def test_other_services_and_what_reads_files_are_refused(url: str, code: str) -> None:
    with pytest.raises(Blocked) as blocked:
        check_recipient_url(url)
    assert blocked.value.code == code


def test_those_for_people_are_taken() -> None:
    for url in ("slack://a/b/c", "tgram://token/1", "mailtos://a:b@c.example?to=d@e.example", "ntfys://topic"):
        assert check_recipient_url(url) == url.partition(":")[0]
