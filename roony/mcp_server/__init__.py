"""Roony's seven tools for agents that speak MCP: a thin layer over the client, the same for HTTP and stdio.

Whatever a tool does goes through the REST API with the agent's own key, so that rules, limits and checks are the same.
"""
