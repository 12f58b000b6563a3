"""Data sets and Part 10 files as bytes (PS3.5, PS3.10).

Owns what is read from and written to files around a data set. Must not know of
associations or messages; pydicom only in the bridge, inside functions.
"""
