"""Messages to people: which services, and that the process which sends them reaches nothing inside."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from roony.outbound import messenger
from roony.outbound.guard import Blocked, Guard
from roony.outbound.messenger import SCHEMES, Messenger, check_recipient_url, masked
from roony.outbound.post import Sent
from tests.support.receiver import Receiver, Reply

LISTED = "127.0.0.0/8"
TOKEN = "3ccdd113474722377935511fc85d3dd4"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def url_at(receiver: Receiver, scheme: str = "mmost") -> str:
    """A service on this machine."""
    return f"{scheme}://127.0.0.1:{receiver.port}/{TOKEN}"


def send(url: str, networks: str = LISTED) -> Sent:
    return asyncio.run(Messenger(Guard(networks)).send(url, "Approval wanted", "Agent asks *b* <c>\nsecond line"))


@pytest.mark.parametrize("scheme", ["mmost", "ntfy"])
def test_a_text_arrives_as_it_is_where_the_operator_lists_the_network(receiver: Receiver, scheme: str) -> None:
    assert send(url_at(receiver, scheme)) == Sent(200, None)
    [arrived] = receiver.arrived
    assert "Approval wanted" in arrived.body
    assert "Agent asks *b* <c>\\nsecond line" in arrived.body
    # No picture of somebody else's server, and no name of somebody else's program.
    assert "http" not in arrived.body
    assert arrived.headers["user-agent"] == "Roony"


def test_nothing_inside_is_reached(receiver: Receiver) -> None:
    for url in (url_at(receiver), url_at(receiver).replace("127.0.0.1", "localhost"), url_at(receiver, "ntfys")):
        sent = send(url, "")
        assert sent.status is None
        assert str(sent.error).startswith("private_address")
    assert receiver.arrived == []


def test_another_listed_network_does_not_open_this_one(receiver: Receiver) -> None:
    assert "private_address" in str(send(url_at(receiver), "10.0.0.0/8").error)
    assert receiver.arrived == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    with Receiver() as other:
        receiver.script(Reply(status, {"location": other.url}))
        assert send(url_at(receiver)) == Sent(None, f"the service answered {status}")
        assert len(receiver.arrived) == 1
        assert other.arrived == []


def test_what_the_service_refuses_was_not_taken(receiver: Receiver) -> None:
    receiver.script(Reply(503))
    assert send(url_at(receiver)) == Sent(None, "the service answered 503")


def test_a_service_that_hangs_is_left_and_its_process_is_gone(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messenger, "TOTAL_SECONDS", 3.0)
    begun, whole = [], asyncio.create_subprocess_exec

    async def noted(*args: object, **named: object) -> object:
        begun.append(await whole(*args, **named))  # type: ignore[arg-type]
        return begun[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    answer = threading.Event()
    receiver.script(Reply(wait_for=answer))
    try:
        assert send(url_at(receiver)) == Sent(None, "no answer within 3 s")
    finally:
        answer.set()
    [child] = begun
    assert child.returncode == -9


def test_no_more_processes_than_named_are_there_at_once(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messenger, "MAX_PROCESSES", 1)
    monkeypatch.setattr(messenger, "WAIT_SECONDS", 0.0)

    async def two() -> list[Sent]:
        one = Messenger(Guard(LISTED))
        return list(await asyncio.gather(*(one.send(url_at(receiver), "a", "b") for _ in range(2))))

    assert asyncio.run(two()) == [Sent(200, None), Sent(None, "too many messages were under way")]
    assert len(receiver.arrived) == 1


def test_a_letter_and_its_password_go_nowhere_in_the_clear() -> None:
    """A mail server on a network that is not listed must speak TLS before anything is said to it."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        threading.Thread(target=_mail_server, args=(listening, heard), daemon=True).start()
        script = (
            "import roony.outbound.messenger_child as child\n"
            "from roony.outbound.guard import Guard\n"
            # As if this machine were one of the internet: the rule about plain text is looked at alone.
            "whole = Guard.judge\n"
            "def judge(self, addresses, port, plain):\n"
            "    return whole(self, ['93.184.215.14'], port, plain)\n"
            "Guard.judge = judge\n"
            f"url = 'mailto://user:secret@localhost:{port}?mode=insecure&to=a@b.example&from=c@d.example'\n"
            "print(child.carry_out({'url': url, 'networks': '', 'title': 'a', 'text': 'b'}))\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={"PATH": os.defpath},
        )
    assert "plain_http" in run.stdout
    assert not [line for line in heard if line.upper().startswith((b"AUTH", b"MAIL"))]


def _mail_server(listening: socket.socket, heard: list[bytes]) -> None:
    """Greets, says it can do AUTH, and notes what is said to it."""
    connection, _ = listening.accept()
    with connection, connection.makefile("rwb") as speaking:
        speaking.write(b"220 mail\r\n")
        speaking.flush()
        for line in speaking:
            heard.append(line)
            speaking.write(
                b"250-mail\r\n250 AUTH PLAIN LOGIN\r\n" if line.upper().startswith(b"EHLO") else b"250 ok\r\n"
            )
            speaking.flush()


def test_the_process_holds_nothing_secret_that_others_can_read(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is told comes by a pipe: its arguments and its environment, which others can list, say nothing."""
    monkeypatch.setenv("ROONY_SECRET_KEYS", "not-for-children")
    seen: list[bytes] = []
    hold = threading.Event()
    receiver.script(Reply(wait_for=hold))
    whole = asyncio.create_subprocess_exec

    async def noted(*args: object, **named: object) -> object:
        child = await whole(*args, **named)  # type: ignore[arg-type]
        asyncio.get_running_loop().run_in_executor(None, _look, child.pid, receiver, seen, hold)
        return child

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    assert send(url_at(receiver)).error is None
    command, environment = seen
    assert command.split(b"\0")[-2] == b"roony.outbound.messenger_child"
    assert environment.startswith(b"PATH=")
    assert TOKEN.encode() not in command + environment
    assert b"not-for-children" not in environment


def _look(pid: int, receiver: Receiver, seen: list[bytes], hold: threading.Event) -> None:
    while not receiver.arrived:
        threading.Event().wait(0.01)
    seen += [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    hold.set()


def test_an_address_apprise_cannot_read_is_found_out_without_sending(receiver: Receiver) -> None:
    async def ask(*urls: str) -> list[str | None]:
        one = Messenger(Guard(LISTED))
        found = [await one.why_not(url) for url in urls]
        return [blocked.code if blocked else None for blocked in found]

    assert asyncio.run(ask(url_at(receiver), "slack://x", "json://x.example")) == [None, "incomplete", "scheme"]
    assert receiver.arrived == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "scheme"), ("json://receiver.example/", "scheme"), ("SLACK://a/b/c", "scheme"),
        ("https://receiver.example/", "scheme"), ("slack:a/b/c", "scheme"), ("slack://", "scheme"),
        ("dbus://", "scheme"), ("syslog://", "scheme"), ("apprise://host/token", "scheme"), ("", "unreadable"),
        ("slack://a/b/c\n", "unreadable"), ("slack://a/b/\u212a", "unreadable"),
        ("slack://" + "a" * 2_000, "unreadable"),
        ("slack://a/b/c?attach=/etc/passwd", "parameter"), ("slack://a/b/c?ATTACH=file:///etc/passwd", "parameter"),
        ("slack://a/b/c?%61ttach=/etc/passwd", "parameter"), ("slack://a/b/c#x?attach=/etc/passwd", "parameter"),
        ("slack://a/b/c?to=x;attach=/etc/passwd", "parameter"), ("slack://a/b/c?to=x?attach=/etc/passwd", "parameter"),
        ("mailto://a:b@c.example?verify=no", "parameter"), ("mailto://a:b@c.example?pgppub=/etc/passwd", "parameter"),
        ("mailto://a:b@c.example?+X-Header=1", "parameter"), ("ntfy://h/t?click=http://x", "parameter"),
        ("workflows://h/w/s?template=/etc/passwd", "parameter"), ("slack://a/b/c?format=html", "parameter"),
        ("slack://a/b/c?redirect=yes", "parameter"), ("slack://a/b/c?retry=10", "parameter"),
        ("discord://a/b?avatar_url=http://x", "parameter"),
    ],
)  # fmt: skip
def test_other_services_and_what_reads_files_are_refused(url: str, code: str) -> None:
    with pytest.raises(Blocked) as blocked:
        check_recipient_url(url)
    assert blocked.value.code == code
    assert "passwd" not in str(blocked.value)


def test_each_service_is_one_that_apprise_has_and_for_people() -> None:
    script = (
        "import sys\nfrom apprise.manager_plugins import NotificationManager\n"
        "found = NotificationManager()\nprint([one for one in sys.argv[1:] if one not in found])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, *SCHEMES], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "[]"
    for url in (
        "slack://a/b/c",
        "tgram://token/1",
        "mailtos://a:b@c.example?to=d@e.example&smtp=f.example",
        "ntfys://t",
    ):
        assert check_recipient_url(url) == url.partition(":")[0]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}", "slack://…3dd4"), ("slack://a/b/c", "slack://…"),
        ("mailtos://user:password@mail.example?to=x@y.example&pass=secret", "mailtos://…mple"),
        ("ntfys://a-long-topic-of-ours/#x?to=abcd", "ntfys://…ours"), ("pover://user@token", "pover://…"),
    ],
)  # fmt: skip
def test_only_the_scheme_and_the_last_of_a_long_address_are_shown(url: str, shown: str) -> None:
    assert masked(url) == shown
