"""Writes the snapshot of the tools again, after somebody has looked at what changed."""

import json

from tests.mcp_server.test_tools import SNAPSHOT, shown

SNAPSHOT.write_text(json.dumps(shown(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
