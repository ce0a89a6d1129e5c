"""The look of the simulator's few pages: plain, readable, saying clearly that nothing here is real."""

from __future__ import annotations

from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #17191f; --back: #f4f5f7; --box: #fff; --line: #dfe2e8; --edge: #858b99;
  --main: #2f5d50; --main-ink: #fff; --warn: #6b4e00; --warn-back: #fdf3d3 }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef2; --back: #101216; --box: #191c22; --line: #2c313b;
  --edge: #6b7382; --main: #8fd0bb; --main-ink: #0d211b; --warn: #f3d98b; --warn-back: #332a0f } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--back); color: var(--ink) }
main { background: var(--box); border: 1px solid var(--line); border-radius: 14px; padding: .5rem 1.5rem 1rem }
h1 { font-size: 1.5rem } a { color: var(--main) } code { overflow-wrap: anywhere }
.notice { background: var(--warn-back); color: var(--warn); border-radius: 14px; padding: .5rem 1.5rem }
fieldset { border: 1px solid var(--edge); border-radius: 8px; margin: 1rem 0 }
fieldset label { display: block; padding: .25rem 0 }
button, .main { font: inherit; padding: .5rem 1.25rem; border: 1px solid var(--edge); border-radius: 8px }
button[value=approve], .main { background: var(--main); border-color: var(--main); color: var(--main-ink) }
.main { display: inline-block; text-decoration: none }
input[name=business_name] { font: inherit; padding: .35rem; border: 1px solid var(--edge); border-radius: 8px }
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
