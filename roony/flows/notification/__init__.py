"""Telling systems and people outside what happened: handing out the audit chain, sending, and who is told what."""
