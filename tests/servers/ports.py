"""Ports of loopback that nothing listens on."""

from __future__ import annotations

import socket


def free_ports(count: int) -> list[int]:
    """``count`` ports that were free a moment ago, each another."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
