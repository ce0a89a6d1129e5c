"""The merchant terminal: a page under /_simulator/ where a person plays the merchant, and what that page asks for."""
