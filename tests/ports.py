"""Addresses on this machine for processes that a test starts."""

import socket


def free_addresses(count: int) -> tuple[str, ...]:
    """``host:port`` of ports that nothing uses at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)
    for one in sockets:
        one.close()
    return addresses
