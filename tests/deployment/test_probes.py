"""A worker is started anew for its own fault alone."""

import http.server
import json
import socket
import subprocess
import sys
import threading

import pytest

from tests.deployment import files

WELL = {"database": "ok", "broker": "ok", "sweeps": "ok"}


def probe(url):
    return subprocess.run(
        [sys.executable, "config/probes/sweeps.py", url],
        cwd=files.ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def readyz():
    """Serve one answer at an address; return how to."""
    servers = []

    def serve(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/readyz"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_sweeps_that_have_stopped_are_the_workers_fault(readyz):
    silent = {**WELL, "sweeps": "silent: admit_queue"}
    result = probe(readyz(503, json.dumps({"status": "not ready", "checks": silent})))
    assert result.returncode == 1
    assert "silent: admit_queue" in result.stderr


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, json.dumps({"status": "ok", "checks": WELL})),
        (503, json.dumps({"checks": {**WELL, "database": "failed", "sweeps": "failed"}})),
        (503, json.dumps({"checks": {**WELL, "broker": "failed", "sweeps": "silent: x"}})),
        (502, "<html>Bad Gateway</html>"),
        (200, "[]"),
        (200, "{}"),
    ],
)
def test_nothing_else_is(readyz, status, body):
    result = probe(readyz(status, body))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_nor_is_a_web_server_that_is_away():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert probe(f"http://127.0.0.1:{port}/readyz").returncode == 0
