"""`roony purchase evidence`: everything about one purchase in a file that proves itself."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from roony.cli.output import FAILED, JsonOption, fail, print_json
from roony.cli.remote import UrlOption, owner

_ADMIN = "/api/v1/admin"


def evidence(
    purchase_id: str = typer.Argument(help="pur_…"),
    output: Path = typer.Option(..., "--output", "-o", help="The file to write."),
    sign: bool = typer.Option(False, "--sign", help="Sign what is not signed yet first; needs the role admin."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Save the evidence of a purchase, as its owner (ROONY_ADMIN_KEY): what was asked, decided, paid, and its records.

    `roony audit verify FILE` checks it anywhere.
    """
    remote = owner(url)
    if sign:
        while remote.post(f"{_ADMIN}/audit/checkpoints")["more"]:
            pass
    bundle = remote.get(f"{_ADMIN}/purchases/{purchase_id}/evidence")
    try:
        output.write_text(json.dumps(bundle, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        fail(f"{output} cannot be written ({error.strerror}): choose another --output.", FAILED)
    records = [*bundle["records"], *bundle["withheld"]]
    unsigned = sum(item["proof"] is None for item in records)
    if as_json:
        print_json({"file": str(output), "records": len(records), "unsigned": unsigned})
        return
    typer.echo(f"{len(records)} records written. Next: roony audit verify {output}")
    if unsigned:
        typer.echo(f"{unsigned} of them are not signed yet: within the hour, or now with --sign.")
