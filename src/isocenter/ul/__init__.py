"""PS3.8 Upper Layer, sans-I/O: bytes, events and time in; events, segments and a deadline out."""
