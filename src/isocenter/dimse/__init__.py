"""PS3.7: DIMSE messages, their command sets, their order and their bookkeeping, sans-I/O."""
