"""What deploy/ says is true: its commands and settings exist, nothing runs with more rights than it needs, no secret
lies in a file, and the programs that read these files take them, where they are installed."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roony.config import NAMES
from tests.cli.serving import ServedSimulation
from tests.support.command_lines import parse

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE, UNITS = DEPLOY / "compose", DEPLOY / "systemd"
SETTINGS = {*NAMES, *(f"{name}_FILE" for name in NAMES)}
# What a process may still do after its drain, in seconds (docs/scaling.md).
ENDING = 75
# The rating of `systemd-analyze security`: 0 is shut, 10 open.
MOST_EXPOSED = 2.0


def program(name: str) -> str:
    """Where a program is. Skips the test without it, but not where CI should have installed it."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        if os.environ.get("CI") and name == "docker-compose":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def seconds(text: str) -> int:
    """`90s` or `90`."""
    return int(text.removesuffix("s"))


class TestCompose:
    """deploy/compose."""

    @pytest.fixture(scope="class")
    @staticmethod
    def compose() -> dict[str, Any]:
        return dict(yaml.safe_load((COMPOSE / "compose.yaml").read_text()))

    def test_docker_compose_takes_it(self, tmp_path: Path) -> None:
        shutil.copytree(DEPLOY, tmp_path / "deploy")
        place = tmp_path / "deploy/compose"
        shutil.copy(place / "example.env", place / ".env")
        command = [program("docker-compose"), "--file", "compose.yaml", "config", "-q"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_every_setting_exists(self, compose: dict[str, Any]) -> None:
        for name in ("migrate", "roony"):
            assert set(compose["services"][name]["environment"]) <= SETTINGS
        said = re.findall(r"^([A-Z_]+)=", (COMPOSE / "example.env").read_text(), re.MULTILINE)
        asked = set(re.findall(r"\$\{([A-Z_]+)", (COMPOSE / "compose.yaml").read_text()))
        assert set(said) == asked

    @pytest.mark.parametrize("name", ["migrate", "roony"])
    def test_every_command_is_one(self, compose: dict[str, Any], name: str) -> None:
        parse(compose["services"][name]["command"])

    def test_a_stop_has_the_time_it_needs(self, compose: dict[str, Any]) -> None:
        roony = compose["services"]["roony"]
        assert seconds(roony["stop_grace_period"]) >= parse(roony["command"])["drain_seconds"] + ENDING

    def test_all_that_serves_is_started_again(self, compose: dict[str, Any]) -> None:
        """Also where the database is away for a start, which then ends with 1; `migrate` is waited for once."""
        policies = {name: part["restart"] for name, part in compose["services"].items()}
        assert policies == {name: "no" if name == "migrate" else "unless-stopped" for name in policies}

    def test_nobody_has_more_rights_than_they_need(self, compose: dict[str, Any]) -> None:
        for name, part in compose["services"].items():
            assert part["read_only"] is True, name
            assert "no-new-privileges:true" in part["security_opt"], name
            assert not {"privileged", "pid", "network_mode", "ipc", "devices"} & set(part), name
            if name != "database":
                assert part["cap_drop"] == ["ALL"], name
            if name in ("migrate", "roony"):
                assert part["user"] == "10001:10001", name
        assert compose["services"]["proxy"]["cap_add"] == ["NET_BIND_SERVICE"]

    def test_only_the_proxy_is_reached_from_outside(self, compose: dict[str, Any]) -> None:
        assert [name for name, part in compose["services"].items() if "ports" in part] == ["proxy"]
        assert compose["networks"]["inside"]["internal"] is True
        assert compose["services"]["database"]["networks"] == ["inside"]

    def test_the_trusted_proxy_is_the_proxy(self, compose: dict[str, Any]) -> None:
        address = compose["services"]["proxy"]["networks"]["outside"]["ipv4_address"]
        assert compose["services"]["roony"]["environment"]["ROONY_TRUSTED_PROXIES"] == address

    def test_secrets_are_files_that_are_not_kept_here(self, compose: dict[str, Any]) -> None:
        files = {name: each["file"] for name, each in compose["secrets"].items()}
        assert files == {name: f"./secrets/{name}" for name in files}
        named = {name for part in compose["services"].values() for name in part.get("secrets", [])}
        assert named == set(files)
        mounted = re.findall(r"/run/secrets/(\w+)", (COMPOSE / "compose.yaml").read_text())
        assert set(mounted) == set(files)
        git = ["git", "check-ignore", "-q"]
        for file in ("secrets/stripe_secret_key", ".env"):
            assert subprocess.run([*git, COMPOSE / file], cwd=ROOT, check=False).returncode == 0, file

    def test_each_waits_for_what_it_needs(self, compose: dict[str, Any]) -> None:
        found = {
            name: {other: wait["condition"] for other, wait in part.get("depends_on", {}).items()}
            for name, part in compose["services"].items()
        }
        assert found == {
            "database": {}, "migrate": {"database": "service_healthy"},
            "roony": {"migrate": "service_completed_successfully"}, "proxy": {"roony": "service_healthy"},
        }  # fmt: skip
        assert all("test" in compose["services"][name]["healthcheck"] for name in ("database", "roony"))

    def test_the_proxy_leads_to_ports_that_are_served(self, compose: dict[str, Any]) -> None:
        roony = parse(compose["services"]["roony"]["command"])
        asked = set(re.findall(r"roony:(\d+)", (COMPOSE / "Caddyfile").read_text()))
        assert asked == {str(roony["port"]), str(roony["door_port"])} == set(compose["services"]["roony"]["expose"])

    def test_caddy_takes_its_file(self) -> None:
        command = [program("caddy"), "validate", "--config", str(COMPOSE / "Caddyfile"), "--adapter", "caddyfile"]
        environment = {**os.environ, "ROONY_DOMAIN": "roony.example.com"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


class TestContainerfile:
    """deploy/Containerfile. No image is built here: what it runs is looked at piece by piece."""

    @pytest.fixture(scope="class")
    @staticmethod
    def steps() -> list[tuple[str, str]]:
        text = (DEPLOY / "Containerfile").read_text()
        lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
        return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]

    def test_it_ends_as_nobody_special(self, steps: list[tuple[str, str]]) -> None:
        last = max(at for at, step in enumerate(steps) if step[0] == "FROM")
        assert [rest for word, rest in steps[last:] if word == "USER"] == ["10001:10001"]
        assert ("STOPSIGNAL", "SIGTERM") in steps[last:]

    def test_it_installs_what_is_locked(self, steps: list[tuple[str, str]]) -> None:
        [locked, own] = [rest for word, rest in steps if word == "RUN" and "pip install" in rest]
        assert "--require-hashes" in locked
        assert "--requirement requirements/run.txt" in locked
        assert "--no-deps" in own
        for word, rest in steps:
            if word == "COPY" and not rest.startswith("--from"):
                assert all((ROOT / source).exists() for source in rest.split()[:-1]), rest

    def test_the_builder_is_sent_what_is_copied(self, steps: list[tuple[str, str]]) -> None:
        lines = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
        sent = {line[1:] for line in lines if line.startswith("!")}
        copied = {source for word, rest in steps if word == "COPY" and not rest.startswith("--from")
                  for source in rest.split()[:-1]}  # fmt: skip
        assert copied == sent

    def test_its_command_is_one_and_its_settings_exist(self, steps: list[tuple[str, str]]) -> None:
        [entry] = [json.loads(rest) for word, rest in steps if word == "ENTRYPOINT"]
        [command] = [json.loads(rest) for word, rest in steps if word == "CMD"]
        assert entry == ["roony"]
        assert parse(command)["host"] == "0.0.0.0"  # noqa: S104 - inside a container
        said = {name for word, rest in steps if word == "ENV" for name in re.findall(r"(ROONY_\w+)=", rest)}
        assert said <= SETTINGS


def health_checks() -> list[tuple[str, str]]:
    """The Python of each health check, and the path it asks for."""
    compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    line = re.search(r"CMD (\[\"python\".*\])", (DEPLOY / "Containerfile").read_text())
    assert line is not None
    return [(compose["services"]["roony"]["healthcheck"]["test"][-1], "/readyz"), (json.loads(line[1])[-1], "/healthz")]


@pytest.fixture(scope="module")
def answering() -> Iterator[tuple[int, dict[str, int]]]:
    """A port, and what each path is answered with there: 404 if nothing else is said."""
    answers: dict[str, int] = defaultdict(lambda: 404)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers[self.path])
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port, answers
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("code", "path"), health_checks())
def test_a_health_check_says_what_roony_says(code: str, path: str, answering: tuple[int, dict[str, int]]) -> None:
    """Without curl, as a program of its own: 0 for 200, else not."""
    port, answers = answering
    assert ast.parse(code)
    assert "8000" in code
    ends = []
    for status in (200, 503):
        answers[path] = status
        done = subprocess.run([sys.executable, "-c", code.replace("8000", str(port))], capture_output=True, check=False)
        ends.append(done.returncode)
    assert ends == [0, 1]


def unit(name: str) -> dict[str, list[str]]:
    """What a unit says, by the word in front of the equals sign."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (UNITS / name).read_text().splitlines():
        word, equals, rest = line.partition("=")
        if equals and not line.startswith("#"):
            found[word].append(rest)
    return found


class TestSystemd:
    """deploy/systemd."""

    def test_its_command_is_one_and_its_settings_exist(self) -> None:
        said = unit("roony.service")
        [command] = said["ExecStart"]
        path, *arguments = shlex.split(command)
        assert path.endswith("/roony")
        parse(arguments)
        names = {line.partition("=")[0] for line in said["Environment"]}
        assert names <= SETTINGS
        files = {
            rest.rpartition("/")[2] for rest in (line.partition("=")[2] for line in said["Environment"]) if "%d" in rest
        }
        assert files == {line.partition(":")[0] for line in said["LoadCredential"]}

    def test_a_stop_has_the_time_it_needs(self) -> None:
        said = unit("roony.service")
        options = parse(shlex.split(said["ExecStart"][0])[1:])
        assert int(said["TimeoutStopSec"][0]) >= options["drain_seconds"] + ENDING
        assert (said["KillSignal"], said["KillMode"]) == (["SIGTERM"], ["mixed"])

    def test_wrong_settings_are_the_exit_code_that_ends_it(self, tmp_path: Path) -> None:
        """Started anew for ever it would say the same for ever."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ROONY_", "STRIPE_"))}
        done = subprocess.run(
            [sys.executable, "-m", "roony", "serve", "--port", "0"], cwd=tmp_path, env=environment,
            capture_output=True, check=False,
        )  # fmt: skip
        assert [str(done.returncode)] == unit("roony.service")["RestartPreventExitStatus"]

    def test_it_is_started_again_for_as_long_as_the_database_is_away(self) -> None:
        """Each start ends with 1 meanwhile (tests/journeys/test_database_away.py); systemd may not lose patience."""
        said = unit("roony.service")
        assert said["Restart"] == ["always"]
        assert said["StartLimitIntervalSec"] == ["0"]
        assert "1" not in said["RestartPreventExitStatus"]
        assert int(said["RestartSec"][0]) >= 1

    def test_the_backup_is_a_command(self) -> None:
        line = next(line for line in unit("roony-backup.service")["ExecStart"] if "roony backup" in line)
        _, _, script = shlex.split(line)
        words = shlex.split(re.sub(r"\$\([^)]*\)", "now", script))
        assert parse(words[words.index("backup") :])["online"] is True

    @pytest.mark.parametrize("name", ["roony.service", "roony-backup.service"])
    def test_systemd_takes_it(self, tmp_path: Path, name: str) -> None:
        analyze = program("systemd-analyze")
        text = (UNITS / name).read_text()
        # Who is to run it, and what, is not on this machine.
        text = re.sub(r"^(User|Group)=roony$", r"\1=root", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(text.replace("/opt/roony/venv/bin/roony", shutil.which("true") or ""))
        shutil.copy(UNITS / "roony-backup.timer", tmp_path)
        done = subprocess.run([analyze, "verify", tmp_path / name], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        rated = subprocess.run(
            [analyze, "security", "--offline=true", "--no-pager", tmp_path / name],
            capture_output=True,
            text=True,
            check=False,
        )
        if name == "roony.service":
            told = re.search(r"exposure level for \S+ ([0-9.]+)", rated.stdout)
            assert told is not None, rated.stderr
            assert float(told[1]) <= MOST_EXPOSED


def test_one_that_drains_ends_with_0(tmp_path: Path) -> None:
    """So that neither systemd nor a container calls a stop that was asked for a failure."""
    with ServedSimulation(tmp_path, "--drain-seconds", "0.2") as served:
        assert served.stop() == (0, b"")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the example's name that nobody trusts, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "roony.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / "fullchain.pem", folder / "privkey.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    nginx = program("nginx")
    text = (DEPLOY / "proxy/nginx-roony.conf").read_text()
    for old, new in zip(("fullchain", "privkey"), certificate(tmp_path), strict=True):
        text = text.replace(f"/etc/ssl/roony/{old}.pem", str(new))
    (tmp_path / "roony.conf").write_text(text)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ include {tmp_path}/roony.conf; }}"
    )
    done = subprocess.run([nginx, "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_of_an_earlier_build_is_installed() -> None:
    """Python's builder puts in whatever lies in build/: a folder that is a file by now would go on as it was."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    built = [before for before, after in itertools.pairwise(page.splitlines()) if "--no-build-isolation ." in after]
    assert len(built) == 2
    assert all(line.startswith("rm -rf build ") for line in built)


def test_an_installed_roony_has_every_file_of_the_package(tmp_path: Path) -> None:
    """What the image and the unit run is no checkout: templates, migrations and pictures have to be in the package."""
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "roony", tree / "roony", ignore=ignored)
    for file in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [*command, "--wheel-dir", tmp_path, "."], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("roony-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if name.startswith("roony/")}
    wanted = {path.relative_to(tree).as_posix() for path in (tree / "roony").rglob("*") if path.is_file()}
    assert {name for name in wanted if "__pycache__" not in name} - inside == set()
