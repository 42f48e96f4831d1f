"""Another agency's receiver of webhooks: it checks who signed, stores each event once, and answers at once.

`pip install standardwebhooks`, then `python webhook_receiver.py PORT SECRET_FILE DATABASE`, behind whatever speaks HTTPS.
"""

import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

from standardwebhooks import Webhook, WebhookVerificationError

LARGEST: Final = 1_000_000
"""Bytes of an event that are read at most."""


def serve(port: int, secret: str, database: str) -> None:
    """Take events on this machine until killed."""
    signed, store = Webhook(secret), sqlite3.connect(database)
    store.execute("create table if not exists event (id text primary key, position integer, body blob) strict")

    class Receiver(BaseHTTPRequestHandler):
        timeout = 5

        def do_POST(self) -> None:
            """Answer 204 only once the event is on disk; it is sent again until then, with the same id."""
            size = int(self.headers.get("content-length", 0))
            body = self.rfile.read(size) if 0 <= size <= LARGEST else b""
            try:
                signed.verify(body, dict(self.headers.items()), json_parse=False)
            except (WebhookVerificationError, ValueError):
                self.send_error(401)
                return
            # A repeat changes nothing: the id is the event's.
            row = (self.headers["webhook-id"], int(self.headers["ooc-position"]), body)
            with store:
                store.execute("insert or ignore into event values (?, ?, ?)", row)
            self.send_response(204)
            self.end_headers()

    HTTPServer(("127.0.0.1", port), Receiver).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="ascii").strip(), sys.argv[3])
