"""Hosts on one machine: network namespaces on one bridge, each with an address; programs are run in them and killed.

Everything here happens inside namespaces of the run's own (`enter`), so that nothing of the machine's network is
touched and all that was started ends with the run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.postgres import programs

NETWORK = "10.77.0.0/24"
HUB = "10.77.0.1"
_BRIDGE = "hub"
# Patroni speaks to etcd with a library that its package only recommends.
_ETCD_LIBRARY = Path("/usr/lib/python3/dist-packages/etcd")
# What has to be there: the program, and Debian's package it comes with.
PROGRAMS = {
    "ip": "iproute2", "unshare": "util-linux", "setpriv": "util-linux", "etcd": "etcd-server", "patroni": "patroni",
    "haproxy": "haproxy",
}  # fmt: skip


def missing() -> str:
    """What this machine lacks for a cluster, in one sentence with what to do; empty when nothing does."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "A cluster needs Linux and root, for network namespaces of its own: run `make chaos` as root."
    packages = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if programs() is None:
        packages.add("postgresql")
    if not _ETCD_LIBRARY.exists():
        packages.add("python3-etcd")
    return f"A cluster needs more of Debian: apt-get install {' '.join(sorted(packages))}" if packages else ""


def enter(arguments: Sequence[str]) -> list[str]:
    """The command that runs these arguments in new network, mount and process namespaces: they all end with it."""
    # The shell, as first process, takes leave of those whose parents were killed: a server that looks whether the one
    # before it still runs must not find it as a zombie.
    shell = ["sh", "-c", '"$@"; exit $?', "sh"]
    return ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", *shell, *arguments]


def run(*words: str) -> None:
    """One command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


def _ip() -> str:
    found = shutil.which("ip")
    assert found
    return found


def lay_network() -> None:
    """The bridge that all hosts hang on; this process sits on it as `HUB`."""
    Path("/run/netns").mkdir(exist_ok=True)
    # Names of namespaces are files; ours are seen by nobody else.
    run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", _BRIDGE, "type", "bridge")
    run("ip", "addr", "add", f"{HUB}/24", "dev", _BRIDGE)
    run("ip", "link", "set", _BRIDGE, "up")


class Host:
    """One host with its address and a folder."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name, self.address, self.folder = name, address, folder / name
        self.folder.mkdir()
        self._running: list[subprocess.Popen[bytes]] = []
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"to-{name}", "master", _BRIDGE)
        run("ip", "link", "set", f"to-{name}", "up")
        for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            run("ip", "-n", name, *words.split())

    def start(
        self, *arguments: str, user: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Runs a program on this host; what it says goes to a file of its name in the folder."""
        switch = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        log = self.folder / f"{Path(arguments[0]).name}.log"
        with log.open("ab") as told:
            started = subprocess.Popen(
                [_ip(), "netns", "exec", self.name, *switch, *arguments],
                stdin=subprocess.DEVNULL, stdout=told, stderr=told, cwd=self.folder,
                env={**(environment if environment is not None else os.environ), "HOME": str(self.folder)},
                start_new_session=True,
            )  # fmt: skip
        self._running.append(started)
        return started

    def cut_off(self) -> None:
        """Nothing comes in or goes out any more; what is sent is lost without a word."""
        run("ip", "link", "set", f"to-{self.name}", "down")

    def join(self) -> None:
        """Back on the network."""
        run("ip", "link", "set", f"to-{self.name}", "up")

    def kill(self) -> None:
        """Everything on this host dies at once, as when its power is cut."""
        for number in self.processes():
            # One may have ended by itself meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        for started in self._running:
            started.wait(10)
        self._running.clear()

    def processes(self) -> list[int]:
        """The ids of all that runs on this host, what its programs started among them."""
        done = subprocess.run([_ip(), "netns", "pids", self.name], capture_output=True, text=True, check=True)
        return [int(word) for word in done.stdout.split()]
