"""What every test gets: no way to the network, and asyncio for async tests."""

import compileall
import gc
import importlib
import io
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from typer.main import get_command

import roony
from tests.support import postgres

# The same examples on every run, and no time limit for one or for their making: the machine may be busy.
settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

_LOCAL_NAMES = {None, "", "localhost", "localhost.localdomain"}


class Nowhere(io.TextIOBase):
    """A stream that nobody reads."""

    def write(self, text: str) -> int:
        """Nothing of it stays."""
        return len(text)


class NetworkBlockedError(RuntimeError):
    """A test tried to leave this machine. Not an OSError, so that no retry swallows it."""


def _is_local(host: Any) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse_remote(host: Any) -> None:
    if not _is_local(host):
        raise NetworkBlockedError(f"tests may only speak to this machine, not to {host!r}")


def _guarded_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            _refuse_remote(address[0])
        return connect(self, address)

    return guarded


def _guarded_getaddrinfo(getaddrinfo: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_remote(host)
        return getaddrinfo(host, *args, **kwargs)

    return guarded


# Guards what goes through Python's socket module in this process. Libraries that connect in C (libpq, libuv)
# and child processes are not seen; the tests give them loopback addresses only.
_patch = pytest.MonkeyPatch()


def _compile_once() -> None:
    """Where Python is told to keep no bytecode, each of the many programs of a run would compile all of Roony again."""
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        compileall.compile_dir(Path(roony.__file__).parent, quiet=2)


def pytest_configure(config: pytest.Config) -> None:
    """Close the network before any test module is imported; make room for the PostgreSQL of all workers."""
    if not hasattr(config, "workerinput"):
        postgres.begin_run()
        _compile_once()
    # Shown with all variables around it, as structlog does by itself, an exception takes longer than PostgreSQL lets a
    # transaction be idle.
    structlog.get_config()["processors"][-1].exception_formatter = structlog.dev.plain_traceback
    # Only then the workers find what one of them has compiled.
    _patch.setattr(sys, "dont_write_bytecode", False)
    # Making all commands into a parser takes longer than most of them: once for each worker, not at each command.
    _patch.setattr("typer.testing._get_command", cache(get_command))
    _patch.setattr(socket.socket, "connect", _guarded_connect(socket.socket.connect))
    _patch.setattr(socket.socket, "connect_ex", _guarded_connect(socket.socket.connect_ex))
    _patch.setattr(socket, "getaddrinfo", _guarded_getaddrinfo(socket.getaddrinfo))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give the socket module back as it was; end the PostgreSQL of this run."""
    _patch.undo()
    postgres.end_worker()
    if not hasattr(config, "workerinput"):
        postgres.end_run()


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Each worker begins with other test modules: rewriting their asserts takes long, and each is done by one of them.

    What fails to be imported is told by pytest, when it comes to it.
    """
    given = getattr(session.config, "workerinput", None)
    if given is None:
        return
    root = session.config.rootpath
    places = [Path(argument.partition("::")[0]) for argument in session.config.args]
    files = sorted({file for place in places for file in ([place] if place.is_file() else place.rglob("test_*.py"))})
    # Nearly all that collecting makes stays: the cycle collector need not look at it, now or during the tests.
    gc.disable()
    first = len(files) * int(given["workerid"].removeprefix("gw")) // given["workercount"]
    for file in files[first:] + files[:first]:
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(file.resolve().relative_to(root).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """From here on, cycles are collected among what the tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _no_log_handler_stays() -> Iterator[None]:
    """A command run in this process logs to a stream that ends with its test: nobody after it writes there."""
    yield
    root = logging.getLogger()
    ended = [handler for handler in root.handlers if type(handler) is logging.StreamHandler]
    root.handlers[:] = [handler for handler in root.handlers if handler not in ended]
    for handler in ended:
        # Loggers that were used meanwhile keep the handler: each of their lines would be told as one that was lost.
        handler.stream = Nowhere()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests (`@pytest.mark.anyio`) run on asyncio, as Roony does."""
    return "asyncio"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a PostgreSQL its tests are left out together, and one line says so at the end."""
    if postgres.available():
        return
    out = [item for item in items if item.get_closest_marker("postgres")]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what of Stripe's published operations the simulator passes and fails, and whether there was no PostgreSQL."""
    if not postgres.available():
        terminalreporter.write_line(postgres.NO_SERVER, red=True, bold=True)
    for kind in ("passed", "failed"):
        for report in terminalreporter.getreports(kind):
            told = dict(getattr(report, "user_properties", ()))
            if "conformance" in told:
                terminalreporter.section("conformance of the simulator")
                for line in (told["conformance"], *told["conformance lines"]):
                    terminalreporter.write_line(line)
