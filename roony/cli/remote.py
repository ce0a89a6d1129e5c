"""How commands speak to a running Roony: over HTTP, as the owner or as an agent, with refusals in plain words."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import httpx2
import typer

from roony.cli.output import FAILED, WRONG_USE, fail, say

if TYPE_CHECKING:
    from roony.client import Roony, RoonyError

DEFAULT_URL = "http://localhost:8000"
# Longer than the longest `wait` of an ask.
TIMEOUT_SECONDS = 70.0

UrlOption = typer.Option(DEFAULT_URL, "--url", envvar="ROONY_URL", help="Where Roony answers.")

_START = "Start it with `roony serve`, or say where it is with --url or ROONY_URL."
_LOCAL_KEY_OVER = (
    "It is the copy beside the local database, since ROONY_ADMIN_KEY is not set: set it to a good key. If there is"
    " none, stop Roony and run `roony init --new-key`."
)
# What to do about an answer, by its code or else its status.
_NEXT: dict[str | int, str] = {
    "wrong_kind_of_key": "This needs another kind of key.",
    "billing_address_missing": 'PATCH /api/v1/admin/organization {"cardholder":…}; docs/stripe-setup.md has the lines.',
    "role_too_low": "Ask an owner: `roony user role` gives a user another one.",
    "key_expired": "An owner can make a new one.",
    "key_revoked": "An owner can make a new one.",
    401: "Look at the key: it may be mistyped or revoked.",
    429: "Wait a moment, then try again.",
    503: "Wait a moment, then try again.",
}


class Remote:
    """One running Roony and the key we speak with."""

    def __init__(self, url: str, key: str, is_local: bool = False) -> None:
        """Nothing is sent yet. `is_local`: the key is the copy beside the local database."""
        self._url = url
        self._key = key
        self._is_local = is_local

    @contextmanager
    def session(self) -> Iterator[httpx2.Client]:
        """A client with our key; ends the command when nothing answers."""
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            with httpx2.Client(base_url=self._url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as http:
                yield http
        except httpx2.TimeoutException:
            fail(f"{self._url} did not answer in time: look at its log, then try again.", FAILED, "unreachable")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            fail(f"Nothing answers at {self._url} ({type(error).__name__}). {_START}", FAILED, "unreachable")

    def call(self, method: str, path: str, body: Any = None, **extra: Any) -> httpx2.Response:
        """The answer whatever its status."""
        with self.session() as http:
            response = http.request(method, path, json=body, **extra)
        if response.status_code == 401 and self._is_local:
            fail(f"{said(response)} {_LOCAL_KEY_OVER}", FAILED, error_of(response))
        return response

    def keep(self, key: str) -> None:
        """Goes on with a key that took the place of ours, also in the file beside the database if that was used."""
        from roony.cli.local_key import keep_local_key

        self._key = key
        if self._is_local:
            say(f"The copy in {keep_local_key(_database_url(), key)} is the new key now.", err=True)

    def get(self, path: str, **params: Any) -> Any:
        """A reading call; parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self.accepted(self.call("GET", path, params=given))

    def post(self, path: str, body: Any = None) -> Any:
        """A changing call."""
        return self.accepted(self.call("POST", path, body if body is not None else {}))

    def put(self, path: str, body: Any) -> Any:
        """A replacing call."""
        return self.accepted(self.call("PUT", path, body))

    def patch(self, path: str, body: Any) -> Any:
        """A call that changes some fields."""
        return self.accepted(self.call("PATCH", path, body))

    def delete(self, path: str) -> Any:
        """A removing call."""
        return self.accepted(self.call("DELETE", path))

    @staticmethod
    def accepted(response: httpx2.Response) -> Any:
        """The body of a good answer; ends the command for any other."""
        if not response.is_success:
            refused(response)
        try:
            return response.json()
        except ValueError:
            _not_roony(response)


def error_of(response: httpx2.Response) -> dict[str, Any]:
    """The error that Roony answered with. Ends the command when it was not Roony that answered."""
    try:
        error = response.json()["error"]
        return {**error, "code": str(error["code"]), "message": str(error["message"])}
    except (ValueError, KeyError, TypeError):
        _not_roony(response)


def _not_roony(response: httpx2.Response) -> NoReturn:
    words = f"This is no answer of Roony (HTTP {response.status_code}): look at --url or ROONY_URL."
    fail(words, FAILED, "no_answer_of_roony")


def said(response: httpx2.Response) -> str:
    """Why Roony refused, and what to do next. Ends the command when it was not Roony that answered."""
    return _words(error_of(response), response.status_code)


def refused(response: httpx2.Response) -> NoReturn:
    """Ends the command with what Roony said and what to do next."""
    _end(error_of(response), response.status_code)


def _words(error: Mapping[str, Any], status: int | None) -> str:
    field, message, id = error.get("field"), error["message"], error.get("id")
    parts = [f"{field}: {message}" if field else message]
    if id and id not in message:
        parts.append(f"See {id}.")
    hint = _NEXT.get(error["code"]) or _NEXT.get(status or 0)
    if hint is not None:
        parts.append(hint)
    return " ".join(parts)


def _end(error: Mapping[str, Any], status: int | None) -> NoReturn:
    # What the schema refuses was written wrongly by whoever typed it.
    fail(_words(error, status), WRONG_USE if status == 422 else FAILED, error)


def as_answered(error: RoonyError) -> dict[str, Any]:
    """What the client raised, as Roony answered it."""
    shown = {"code": error.code, "message": error.message, "field": error.field, "id": error.id,
             "reasons": error.reasons or None, "request_id": error.request_id}  # fmt: skip
    return {name: value for name, value in shown.items() if value is not None}


def owner(url: str) -> Remote:
    """As the owner: ROONY_ADMIN_KEY, or the key beside the local database."""
    given = os.environ.get("ROONY_ADMIN_KEY")
    key = given or _local_key()
    if key and not given and not is_here(url):
        fail(
            f"{url} is not this machine: the key beside the local database is not sent there. Set ROONY_ADMIN_KEY.",
            WRONG_USE,
            "no_key",
        )
    if not key:
        fail(
            "No admin key: set ROONY_ADMIN_KEY, or run this where the SQLite database lies. `roony init` prints the"
            " first key, once; lost: `roony init --new-key` prints one more.",
            WRONG_USE,
            "no_key",
        )
    return Remote(url, key, is_local=not given)


def is_here(url: str) -> bool:
    """True if all addresses that a URL names are of this machine: loopback, or such that a socket can be bound to."""
    try:
        return all(map(_is_own, _addresses(urlsplit(url).hostname or "")))
    except (OSError, ValueError):
        return False


def _addresses(host: str) -> list[str]:
    """Those of a name, or what is one itself. Raises OSError, and ValueError where there is no host."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        if not host:
            raise
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def _is_own(address: str) -> bool:
    """Raises OSError where it is another machine's. IPv6's loopback is named in places where there is no IPv6."""
    if not ip_address(address).is_loopback:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as one:
            one.bind((address, 0))
    return True


@contextmanager
def agent(url: str) -> Iterator[Roony]:
    """As an agent: ROONY_AGENT_KEY. Whatever Roony refuses meanwhile ends the command."""
    from roony.client import Roony, RoonyError, Unreachable

    key = os.environ.get("ROONY_AGENT_KEY")
    if not key:
        fail("No agent key: set ROONY_AGENT_KEY. `roony agent create NAME` prints one.", WRONG_USE, "no_key")
    try:
        client = Roony(url, key)
    except ValueError as wrong:
        fail(str(wrong), WRONG_USE)
    try:
        with client:
            yield client
    except Unreachable as error:
        fail(f"{error.message} {_START}", FAILED, as_answered(error))
    except RoonyError as error:
        _end(as_answered(error), error.status)


def _local_key() -> str | None:
    from roony.cli.local_key import read_local_key

    return read_local_key(_database_url())


def _database_url() -> str:
    return os.environ.get("ROONY_DATABASE_URL") or "sqlite:///roony.db"
