"""Who may use a server: rules, and what is made of them. Knows no sockets and no tools."""
