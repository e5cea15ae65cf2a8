"""Drives real daemons over their sockets and looks into the kernel. Python's standard library only."""
