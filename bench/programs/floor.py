"""The floor: send a request, read the answer and throw it away.

Arguments: host, port, request and end of its answer in hexadecimal digits, seconds to pause before each read.
Nothing of the package is imported, so that its start is not part of the floor.
"""

from __future__ import annotations

import socket
import sys
import time

_BUFFER = 4 * 1024 * 1024


def main(host: str, port: int, request: bytes, end: bytes, pause: float) -> None:
    """Read until the end of the answer."""
    with socket.create_connection((host, port)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        server.sendall(request)
        tail = b""
        while end not in tail:
            if pause:
                time.sleep(pause)
            data = server.recv(_BUFFER)
            if not data:
                sys.exit("the server closed the connection")
            tail = (tail + data)[-256:]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3]), bytes.fromhex(sys.argv[4]), float(sys.argv[5]))
