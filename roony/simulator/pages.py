"""The look of the simulator's few pages: plain, readable, saying clearly that nothing here is real."""

from __future__ import annotations

from html import escape

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a2e }
.notice { background: #fff4d6; border: 1px solid #8a6d00; padding: .5rem 1rem }
fieldset { border: 1px solid #767690; margin: 1rem 0 } fieldset label { display: block; padding: .25rem 0 }
button { font: inherit; padding: .5rem 1.25rem } input[name=business_name] { font: inherit; padding: .25rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .25rem 1rem .25rem 0; vertical-align: top }
"""


def page(title: str, content: str) -> str:
    """Return a whole HTML page; `content` is HTML already."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - Stripe simulator</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>
<body><p class="notice">This is a simulation of Stripe. No real money, no real cards.</p>
<main><h1>{escape(title)}</h1>{content}</main></body></html>
"""
