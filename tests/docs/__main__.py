"""`python -m tests.docs` names the pages that are older than the code; with `--write` it writes them."""

from __future__ import annotations

import sys

from tests.docs.blocks import ROOT
from tests.docs.made import all_made


def main() -> int:
    """Exit code 1 where something is out of date and was not written."""
    stale = {path: text for path, text in all_made().items() if not path.is_file() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        print(path.relative_to(ROOT))  # noqa: T201 - a command prints
        if "--write" in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--write" not in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
