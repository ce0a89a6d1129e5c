"""Reads for pages, lists and reports: one file per noun, the organization always among the arguments."""
