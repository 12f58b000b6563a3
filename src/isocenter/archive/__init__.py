"""The archive: what is stored, where it is, what matches a query (PS3.4 annex C). No network."""
