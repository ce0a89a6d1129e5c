"""`roony agent` and `roony project`: who may ask, in which project, with which key."""

from __future__ import annotations

import json

import typer

from roony.cli.access_key import key_commands
from roony.cli.budget import parse_limits
from roony.cli.control import parse_fields
from roony.cli.output import WRONG_USE, JsonOption, fail, print_list, print_one
from roony.cli.remote import UrlOption, owner

app = typer.Typer(help="Agents and their keys.", no_args_is_help=True)
projects = typer.Typer(help="Projects, which group agents.", no_args_is_help=True)

public_keys = typer.Typer(help="The public key an agent's card details are sealed to.", no_args_is_help=True)
app.add_typer(public_keys, name="public-key")

_AGENTS = "/api/v1/admin/agents"
app.add_typer(key_commands(_AGENTS, "agt_…", scoped=True), name="key")
_PROJECTS = "/api/v1/admin/projects"
_BUDGET_HELP = "A limit such as month=500.00 or month=500.00:eur; may be given several times."
_CONTROL_HELP = "A control such as purchase_limit=50000 or allowed_countries=US,CA; may be given several times."


@app.command()
def create(
    name: str = typer.Argument(help="What people call it."),
    project_id: str | None = typer.Option(None, help="Its project; the first one if not given."),
    description: str = typer.Option("", help="What it does."),
    budget: list[str] = typer.Option([], help=_BUDGET_HELP),
    control: list[str] = typer.Option([], help=_CONTROL_HELP),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Create an agent and print its key, this once."""
    body = {
        "name": name, "description": description, "budgets": parse_limits(budget), "controls": parse_fields(control),
        **({"project_id": project_id} if project_id else {}),
    }  # fmt: skip
    made = owner(url).post(_AGENTS, body)
    print_one(made, as_json)
    if not as_json:
        typer.echo("The key is shown this once. Next: export ROONY_AGENT_KEY=… and roony purchase ask --help")


@app.command("list")
def list_agents(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List the agents."""
    answer = owner(url).get(_AGENTS, cursor=cursor)
    print_list(
        answer, ("id", "name", "project_id", "frozen_at"), as_json, "No agents yet. Next: roony agent create NAME"
    )


@app.command()
def show(agent_id: str = typer.Argument(help="agt_…"), url: str = UrlOption, as_json: bool = JsonOption) -> None:
    """Show one agent."""
    print_one(owner(url).get(f"{_AGENTS}/{agent_id}"), as_json)


@app.command()
def update(
    agent_id: str = typer.Argument(help="agt_…"),
    name: str | None = typer.Option(None, help="What people call it."),
    description: str | None = typer.Option(None, help="What it does."),
    project_id: str | None = typer.Option(None, help="Move it: it buys for this project from now on."),
    may_name: list[str] = typer.Option([], help="A project it may name beside its own; names all of them, or `none`."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Rename, describe or move an agent; what is not given stays. Its purchases stay where they were asked for."""
    body: dict[str, object] = {"name": name, "description": description, "project_id": project_id}
    body = {field: value for field, value in body.items() if value is not None}
    if may_name:
        body["project_ids"] = [] if may_name == ["none"] else may_name
    print_one(owner(url).patch(f"{_AGENTS}/{agent_id}", body), as_json)


@public_keys.command("set")
def set_public_key(
    agent_id: str = typer.Argument(help="agt_…"),
    file: typer.FileText = typer.Argument(help="The public key as `roony agent-key new` printed it; - reads stdin."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Register the public key of an agent, in place of any before."""
    try:
        key = json.load(file)
    except ValueError:
        fail("This is no JSON Web Key: it should be the line that `roony agent-key new` printed.", WRONG_USE)
    if isinstance(key, dict) and isinstance(key.get("public_key"), dict):
        # What `roony agent-key new --json` printed.
        key = key["public_key"]
    print_one(owner(url).put(f"{_AGENTS}/{agent_id}/public_key", key), as_json)


@public_keys.command("show")
def show_public_key(
    agent_id: str = typer.Argument(help="agt_…"), url: str = UrlOption, as_json: bool = JsonOption
) -> None:
    """Show the public key of an agent."""
    print_one(owner(url).get(f"{_AGENTS}/{agent_id}/public_key"), as_json)


@public_keys.command("remove")
def remove_public_key(
    agent_id: str = typer.Argument(help="agt_…"), url: str = UrlOption, as_json: bool = JsonOption
) -> None:
    """Take the public key of an agent away: nothing can be sealed to it until another one is registered."""
    print_one(owner(url).delete(f"{_AGENTS}/{agent_id}/public_key"), as_json)


@projects.command("create")
def create_project(
    name: str = typer.Argument(help="What people call it."),
    budget: list[str] = typer.Option([], help=_BUDGET_HELP),
    control: list[str] = typer.Option([], help=_CONTROL_HELP),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Create a project."""
    body = {"name": name, "budgets": parse_limits(budget), "controls": parse_fields(control)}
    print_one(owner(url).post(_PROJECTS, body), as_json)


@projects.command("show")
def show_project(
    project_id: str = typer.Argument(help="prj_…"), url: str = UrlOption, as_json: bool = JsonOption
) -> None:
    """Show one project."""
    print_one(owner(url).get(f"{_PROJECTS}/{project_id}"), as_json)


@projects.command("rename")
def rename_project(
    project_id: str = typer.Argument(help="prj_…"),
    name: str = typer.Argument(help="What people call it from now on."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Rename a project."""
    print_one(owner(url).patch(f"{_PROJECTS}/{project_id}", {"name": name}), as_json)


@projects.command("list")
def list_projects(
    cursor: str | None = typer.Option(None, help="Where the last page ended."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """List the projects."""
    answer = owner(url).get(_PROJECTS, cursor=cursor)
    print_list(answer, ("id", "name", "frozen_at"), as_json, "No projects yet. Next: roony project create NAME")
