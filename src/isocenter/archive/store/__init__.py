"""Where the objects of an archive live."""
