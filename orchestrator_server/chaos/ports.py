"""Where the programs of a site listen."""

import random
import socket

# Below those that the kernel gives to clients (ip_local_port_range): who asks again and again for
# a server that is away is otherwise given its very port one day, and talks to itself there.
PORTS = range(10_000, 32_000)

_dice = random.SystemRandom()


def free_port() -> int:
    while True:
        port = _dice.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
