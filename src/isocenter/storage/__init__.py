"""What a received object becomes on disk.

Owns publishing by rename and every name made from what a peer sent. Must not know of
associations, messages or the archive.
"""
