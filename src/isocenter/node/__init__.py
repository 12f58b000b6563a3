"""Composition: services joined with storage, what neither may know of the other."""
