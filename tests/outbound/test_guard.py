"""Addresses that are never sent to, however they are written, and the ones that are."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from roony.flows.notification.sending import MAX_RECEIVERS
from roony.outbound.guard import MAX_ADDRESSES, MAX_URL, Blocked, Guard, networks_of

PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"


def names(*addresses: str) -> Any:
    """A name server that gives every name these addresses."""

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    return resolve


def resolved(guard: Guard, url: str) -> list[str]:
    """What the guard lets a connection to this address go to."""
    return asyncio.run(guard.addresses_of(guard.check_url(url)))


def code_of(guard: Guard, url: str) -> str:
    """Why the guard refuses it."""
    with pytest.raises(Blocked) as blocked:
        resolved(guard, url)
    return blocked.value.code


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104
        "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "172.31.255.255",
        "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9",
        "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:93.184.216.34", "::10.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::5db8:d822", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "3fff::1", "2002:7f00:1::", "fc00::1",
        "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_private_and_special_addresses_are_refused_behind_a_name_and_as_a_literal(address: str) -> None:
    assert code_of(Guard(resolve=names(address)), "https://receiver.example/hook") == "private_address"
    if "%" not in address:
        host = f"[{address}]" if ":" in address else address
        with pytest.raises(Blocked, match="private or special"):
            Guard().check_url(f"https://{host}/hook")


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "localhost."])
def test_other_ways_to_write_loopback_are_refused_as_what_they_resolve_to(host: str) -> None:
    # Each of these is given to the name server as it is; the system's own reads most of them as 127.0.0.1.
    assert code_of(Guard(resolve=names("127.0.0.1")), f"https://{host}/") == "private_address"


def test_the_internet_is_let_through() -> None:
    assert resolved(Guard(resolve=names(PUBLIC, PUBLIC_6)), "https://receiver.example:8443/a?b=c") == [PUBLIC, PUBLIC_6]


@pytest.mark.parametrize("both", [(PUBLIC, "10.0.0.1"), ("10.0.0.1", PUBLIC), (PUBLIC_6, "::1")])
def test_one_private_address_refuses_the_whole_name(both: tuple[str, str]) -> None:
    assert code_of(Guard(resolve=names(*both)), "https://receiver.example/") == "private_address"


def test_more_addresses_than_the_limit_are_judged_but_not_used() -> None:
    many = [f"93.184.216.{n}" for n in range(1, 9)]
    assert resolved(Guard(resolve=names(*many)), "https://receiver.example/") == many[:MAX_ADDRESSES]
    assert code_of(Guard(resolve=names(*many, "10.0.0.1")), "https://receiver.example/") == "private_address"


def test_a_name_is_resolved_once_for_each_look() -> None:
    asked = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return list(names(PUBLIC)(host, port))

    assert resolved(Guard(resolve=resolve), "https://receiver.example/") == [PUBLIC]
    assert asked == ["receiver.example"]


def test_what_the_operator_lists_is_let_through_also_without_tls_and_on_any_port() -> None:
    guard = Guard("10.0.0.0/8, ::1", names("10.20.30.40", "::1"))
    assert resolved(guard, "http://inside.example:81/") == ["10.20.30.40", "::1"]
    assert code_of(Guard("10.0.0.0/8", names("192.168.0.1")), "https://inside.example/") == "private_address"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://receiver.example/", "plain_http"),
        (f"http://{PUBLIC}/", "plain_http"),
        ("https://receiver.example:22/", "port"),
        ("https://receiver.example:80/", "port"),
        ("https://receiver.example:0/", "unreadable"),
        ("https://receiver.example:99999/", "unreadable"),
        ("ftp://receiver.example/", "unreadable"),
        ("file:///etc/passwd", "unreadable"),
        ("https://", "unreadable"),
        ("receiver.example", "unreadable"),
        ("https://name:word@receiver.example/", "unreadable"),
        ("https://receiver.example@evil.example/", "unreadable"),
        ("https://receiver.example\\@evil.example/", "unreadable"),
        ("https://[::1/", "unreadable"),
        ("https://receiver.example/\nhost: other", "unreadable"),
        ("https://bücher.example/", "unreadable"),
        (f"https://receiver.example/{'a' * MAX_URL}", "unreadable"),
    ],
)
def test_odd_addresses_are_refused_with_a_code(url: str, code: str) -> None:
    assert code_of(Guard(resolve=names(PUBLIC)), url) == code


def test_plain_http_to_the_internet_is_refused_also_where_some_network_is_listed() -> None:
    assert code_of(Guard("10.0.0.0/8", names(PUBLIC)), "http://receiver.example/") == "plain_http"


def test_a_name_without_an_address_is_refused() -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror("unknown")

    assert code_of(Guard(resolve=unknown), "https://receiver.example/") == "no_such_host"
    assert code_of(Guard(resolve=names()), "https://receiver.example/") == "no_such_host"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "10.0.0.0/33", "10.0.0.0/8,,x"])
def test_a_network_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no network"):
        networks_of(text)


def test_networks_are_a_list() -> None:
    assert [str(network) for network in networks_of(" 10.0.0.0/8 ,127.0.0.1,, ::1/128")] == [
        "10.0.0.0/8", "127.0.0.1/32", "::1/128",
    ]  # fmt: skip
    assert networks_of("") == ()


def test_names_that_nobody_answers_for_do_not_keep_others_from_being_found() -> None:
    """One owner's dead name servers are no reason why another's webhooks fail."""
    over, public = threading.Event(), names(PUBLIC)

    def resolve(host: str, port: int, **more: Any) -> list[Any]:
        if host.startswith("dead"):
            over.wait(30)
        return list(public(host, port, **more))

    async def all_at_once() -> list[str]:
        guard = Guard(resolve=resolve)
        dead = [
            asyncio.create_task(guard.addresses_of(guard.check_url(f"https://dead{number}.example/")))
            for number in range(MAX_RECEIVERS - 1)
        ]
        await asyncio.sleep(0)
        try:
            return await guard.addresses_of(guard.check_url("https://receiver.example/"))
        finally:
            over.set()
            await asyncio.gather(*dead)

    assert asyncio.run(all_at_once()) == [PUBLIC]
