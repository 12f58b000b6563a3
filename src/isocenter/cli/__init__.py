"""Command-line tools: option tables, DCMTK's command-line grammar, log output and dispatch."""
