"""The address that a server listens on: taken before its models are loaded, opened after."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from weft.errors import ConfigError

_QUEUE = 2_048  # connections that may wait to be accepted


def reserve(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of the host; nobody can connect to them yet.

    Raises:
        ConfigError: the port is taken or not ours to take, or the host is none of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise _refused(host, port, error) from error
    bound: list[socket.socket] = []
    last: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            one = socket.socket(family, kind, protocol)
        except OSError as error:  # this machine has no such family
            last = error
            continue
        try:
            # else the port of a server that has just ended could not be had for a minute
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
        except OSError as error:
            one.close()
            last = error
            if error.errno == errno.EADDRNOTAVAIL:  # such as ::1 of localhost, without IPv6
                continue
            close(bound)
            raise _refused(host, port, error) from error
        bound.append(one)
    if not bound:
        assert last is not None
        raise _refused(host, port, last) from last
    return bound


def listen(bound: Sequence[socket.socket]) -> list[str]:
    """Lets others connect; the addresses, as a browser takes them.

    Raises:
        ConfigError: somebody else took the port since.
    """
    addresses: list[str] = []
    for one in bound:
        host, port = one.getsockname()[:2]
        try:
            one.listen(_QUEUE)
        except OSError as error:
            raise _refused(host, port, error) from error
        addresses.append(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    return addresses


def close(bound: Sequence[socket.socket]) -> None:
    """Gives the addresses back."""
    for one in bound:
        one.close()


def _refused(host: str, port: int, error: Exception) -> ConfigError:
    number = error.errno if isinstance(error, OSError) else None
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if number == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} of {host} is taken",
            found=said,
            remedy="give another with --port (0: a free one), or end what listens there",
        )
    if number == errno.EACCES:
        return ConfigError(
            f"port {port} of {host} may not be used",
            found=said,
            remedy="give one above 1023 with --port",
        )
    return ConfigError(
        f"{host} is no address of this machine",
        found=said,
        remedy="give one with --host, such as 127.0.0.1 or 0.0.0.0",
    )
