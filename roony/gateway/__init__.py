"""How Roony speaks to Stripe: the only ring that imports the `stripe` package.

Files: `client` the one configured SDK client and who a call acts for · `wire` the HTTP transport under it ·
`errors` the closed table that sorts every failure · `pool` the threads Stripe calls run on · `paging` bounded
walks through lists · `issuing`, `connect`, `events` the calls themselves. Everything handed out is plain:
dicts, ints and frozen dataclasses.
"""
