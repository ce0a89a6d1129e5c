"""`roony agent-key` and `roony agent public-key`: a key pair is made, registered, shown, and opens what was sealed."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roony.cli.commands import app
from roony.client.sealed import new_private_key
from roony.flows.sealing import seal

DETAILS = {"number": "4000009990001234", "cvc": "731", "exp_month": 1, "exp_year": 2030, "billing_zip": None}


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["agent-key", *arguments], input=stdin)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    """A fresh key pair in the working directory, as `new --json` tells of it."""
    done = run("new", "--json")
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_the_public_key_alone_is_printed(tmp_path: Path) -> None:
    done = run("new", "--out", "my.key")
    assert done.exit_code == 0
    assert json.loads(done.stdout).keys() == {"crv", "kty", "x", "y"}
    assert "my.key" in done.stderr
    file = tmp_path / "my.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()).keys() == {"crv", "kty", "x", "y", "d"}


def test_a_key_that_is_there_is_not_replaced(made: dict[str, Any]) -> None:
    before = Path(made["file"]).read_bytes()
    again = run("new")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "is not replaced" in again.stderr
    assert Path(made["file"]).read_bytes() == before


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "roony-agent.key").symlink_to(tmp_path / "elsewhere")
    assert run("new").exit_code == 1
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("way", ["argument", "answer", "stdin", "answer on stdin", "file"])
def test_it_opens_what_was_sealed(made: dict[str, Any], tmp_path: Path, way: str) -> None:
    jwe = seal(json.dumps(made["public_key"], separators=(",", ":"), sort_keys=True), DETAILS)
    answer = json.dumps({"delivery": "sealed", "jwe": jwe}, indent=2)
    (tmp_path / "sealed.txt").write_text(f"{jwe}\n")
    arguments, stdin = {
        "argument": ([jwe], ""), "answer": ([answer], ""), "stdin": ([], f" {jwe}\n"), "answer on stdin": ([], answer),
        "file": (["--file", "sealed.txt"], ""),
    }[way]  # fmt: skip
    opened = run("open", "--json", *arguments, stdin=stdin)
    assert opened.exit_code == 0, opened.output
    assert json.loads(opened.stdout) == DETAILS
    assert "4000009990001234" in run("open", *arguments, stdin=stdin).stdout


@pytest.mark.parametrize(
    ("sealed", "key", "code", "said"),
    [
        ("nonsense", None, 1, "no sealed card"),
        ("", None, 1, "no sealed card"),
        ('{"delivery":"raw"}', None, 1, "no sealed card"),
        ("[1]", None, 1, "no sealed card"),
        ("a.b.c.d.e", None, 1, "no sealed card"),
        ("W10.b.c.d.e", None, 1, "no sealed card"),
        ("x" * 20_000, None, 1, "longer than any"),
        ("other", None, 1, "was sealed to the key"),
        ("changed", None, 1, "changed on its way"),
        ("cut", None, 1, "changed on its way"),
        ("good", "nowhere.key", 2, "cannot be read"),
        ("good", "public.json", 2, "no private key"),
        ("good", "empty.json", 2, "no private key"),
    ],
)
def test_what_does_not_open(
    made: dict[str, Any], tmp_path: Path, sealed: str, key: str | None, code: int, said: str
) -> None:
    public = json.dumps(made["public_key"], separators=(",", ":"), sort_keys=True)
    good = seal(public, DETAILS)
    head, *rest = good.split(".")
    texts = {
        "good": good, "other": seal(new_private_key().public, DETAILS), "cut": good[:-2],
        "changed": ".".join([head, *rest[:-2], rest[-2][:-4] + "AAAA", rest[-1]]),
    }  # fmt: skip
    (tmp_path / "public.json").write_text(public)
    (tmp_path / "empty.json").write_text("{}")
    given = [] if key is None else ["--key", key]
    failed = run("open", *given, stdin=texts.get(sealed, sealed))
    assert (failed.exit_code, failed.stdout) == (code, "")
    assert said in failed.stderr
    assert json.loads(Path(made["file"]).read_text())["d"] not in failed.stderr


def test_two_places_to_read_from_are_wrong_use(made: dict[str, Any]) -> None:
    assert run("open", "x", "--file", "y").exit_code == 2


def test_the_owner_sets_shows_and_removes_it(
    roony: Callable[..., Result], roony_json: Callable[..., Any], made: dict[str, Any], tmp_path: Path
) -> None:
    agent = roony_json("agent", "create", "sealing agent")["id"]
    (tmp_path / "public.json").write_text(json.dumps(made["public_key"]))
    (tmp_path / "made.json").write_text(json.dumps(made))
    (tmp_path / "broken.json").write_text("{")
    for file in ("public.json", "made.json"):
        shown = roony_json("agent", "public-key", "set", agent, file)
        assert shown == {"agent_id": agent, "public_key": made["public_key"], "thumbprint": made["thumbprint"]}
    assert roony_json("agent", "public-key", "show", agent) == shown
    assert made["thumbprint"] in roony("agent", "public-key", "show", agent).stdout
    assert roony_json("agent", "public-key", "remove", agent)["public_key"] is None
    for file, said in (("broken.json", "no JSON Web Key"), (made["file"], "This is a private key")):
        refused = roony("agent", "public-key", "set", agent, file)
        assert refused.exit_code == 2
        assert said in refused.stderr
    assert roony_json("agent", "public-key", "show", agent)["public_key"] is None


def test_a_purchase_says_how_its_card_is_opened(roony: Callable[..., Result], roony_json: Callable[..., Any]) -> None:
    """The stricter ways where the organization delivers in clear."""
    import uuid

    shop = f"Shop {uuid.uuid4().hex.translate(str.maketrans('0123456789', 'ghijklmnop'))[:12]}"
    more = ("--category", "computer_software_stores", "--country", "US")
    bought = roony_json("purchase", "ask", "12.00", "--merchant", shop, *more)
    link = roony("purchase", "card", bought["id"], "--delivery", "reveal")
    assert "within 10 minutes" in link.stdout
    assert "/reveal?ticket=" in link.stdout
    assert roony("purchase", "card", bought["id"], "--delivery", "sealed").exit_code == 1
    assert roony("purchase", "card", bought["id"], "--delivery", "plain").exit_code == 2
