"""What every forked program would do first, and in the same way: done once, before the first is forked (forking.py)."""

from roony.cli.commands import parser

parser()
