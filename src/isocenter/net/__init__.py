"""Drivers: the only package that opens sockets, starts threads and reads clocks."""
