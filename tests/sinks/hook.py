"""A receiver of webhooks, as a program: it checks signatures, keeps what it got on the disk and then says so.

Arguments: port, file to append to, file with orders, the secret; the orders are one JSON object with `status`,
`headers`, `answer`, `slow` in seconds and `reject`, a word that no body may contain.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Hook(BaseHTTPRequestHandler):
    """One request after the other, on connections that are kept."""

    protocol_version = "HTTP/1.1"
    notes: Path
    orders: Path
    key: bytes

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        orders = json.loads(self.orders.read_text()) if self.orders.exists() else {}
        time.sleep(orders.get("slow", 0))
        status = orders.get("status") or self._judge(body, orders)
        if status == 200:
            self._keep(body)
        self.send_response(status)
        answer = orders.get("answer", "").encode()
        for name, value in {"Content-Length": str(len(answer)), **orders.get("headers", {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def _judge(self, body: bytes, orders: dict[str, Any]) -> int:
        name, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        mac = hmac.new(self.key, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(mac).decode()
        signed = any(hmac.compare_digest(wanted, one) for one in self.headers["webhook-signature"].split(" "))
        if not signed or abs(time.time() - int(stamp)) > 300 or self.headers["Idempotency-Key"] != name:
            return 401
        return 422 if orders.get("reject", "\n").encode() in body else 200

    def _keep(self, body: bytes) -> None:
        found = json.loads(body)
        lines = b"".join(json.dumps(one).encode() + b"\n" for one in (found if isinstance(found, list) else [found]))
        file = os.open(self.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, lines)
        os.fsync(file)
        os.close(file)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Hook.notes, Hook.orders = Path(sys.argv[2]), Path(sys.argv[3])
    Hook.key = base64.b64decode(sys.argv[4].removeprefix("whsec_"))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
