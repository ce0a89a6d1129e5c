"""Where passkeys of this Roony are good: at the address people open its pages at, if browsers allow them there."""

from __future__ import annotations

from roony.core.passkey import Site, site_of
from roony.flows.context import FlowContext
from roony.web.errors import refuse
from roony.web.session import page_url

NOT_HERE = (
    "Browsers allow passkeys at a host name with https, or at localhost, and not at an IP address. "
    "Whoever runs this Roony gives it such an address in ROONY_PUBLIC_URL."
)


def passkey_site(context: FlowContext) -> Site | None:
    """The site, or None where browsers allow no passkeys."""
    return site_of(page_url(context, ""))


def needed_site(context: FlowContext) -> Site:
    """The site. Raises Refused (409) where browsers allow no passkeys."""
    site = passkey_site(context)
    if site is None:
        raise refuse(409, NOT_HERE, "no_passkeys_here")
    return site
