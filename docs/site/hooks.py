"""What MkDocs is told beside mkdocs.yml: pages kept elsewhere in the repository, and links that lead out of docs/.

On a code host a link such as `../deploy/x.yml` opens that file. The site has no repository beside it, so the file is
laid into the site, and a link to a folder becomes its name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# Pages that lie beside the README, where readers of the repository look for them.
ELSEWHERE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./([^)#\s]+)\)")
_FOLDER = "files"


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that lie elsewhere, and every file that a page links to."""
    for name, page in ELSEWHERE.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        text = text.replace("](docs/", "](").replace("](README.md", "](index.md")
        files.append(File.generated(config, page, content=text))
    for page in list(files.documentation_pages()):
        for _, target in _OUTWARD.findall(page.content_string):
            path = ROOT / target
            if path.is_file() and files.get_file_from_path(f"{_FOLDER}/{target}") is None:
                files.append(File.generated(config, f"{_FOLDER}/{target}", content=path.read_bytes()))
    return files


def on_post_build(config: Any) -> None:
    """The words of the search once more as a script, since a page that was opened from a folder may read no file."""
    index = Path(config.site_dir) / "search" / "search_index.json"
    index.with_suffix(".js").write_text(f"var __index = {index.read_text(encoding='utf-8')}", encoding="utf-8")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leads what points out of docs/ to the file in the site; a folder is only named."""

    def inward(found: re.Match[str]) -> str:
        words, target = found.groups()
        if (ROOT / target).is_file():
            return f"[{words}]({_FOLDER}/{target})"
        return words if target.strip("/") in words else f"{words} (`{target}`)"

    return _OUTWARD.sub(inward, markdown)
