"""Encapsulated pixel data: which frame is where, what it becomes, who decodes it."""
