"""How long the client library of Python waits for a server that is busy."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.integration.partner.test_early_help_alert import PYTHON

ROOT = Path(__file__).parents[3]
ASK = """
import sys
sys.path.insert(0, sys.argv[1])
from ooc_client import Partnership
partnership = Partnership({"education": sys.argv[2]}, lambda: "token", reason="CASE_WORK", patience=1.2)
print(partnership.client("education").get_httpx_client().get("/health/live").status_code)
"""


@pytest.mark.parametrize("retry_after", ["1000000000", "Wed, 21 Oct 2065 07:28:00 GMT", "-1"])
def test_a_client_waits_no_longer_than_its_patience(retry_after: str) -> None:
    """Given a server that is busy and names whatever pause, then the client asks again within its patience, and gives its answer."""
    asked: list[str] = []

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(503)
            self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            pass

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [str(PYTHON[0]), "-c", ASK, str(ROOT / "clients/python"), f"http://127.0.0.1:{server.server_port}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        server.shutdown()
    assert done.stdout.strip() == "503", done.stderr
    assert len(asked) > 1
