"""A real HTTP server that misbehaves in every way we know."""

import contextlib
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATA = random.Random(1).randbytes(300_000)


class Server(ThreadingHTTPServer):
    """Serves DATA the way that the first part of the path says; remembers what it was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.data, self.tag = DATA, '"one"'


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.seen.append((kind, self.headers.get("Range")))
        requests = sum(seen == kind for seen, _ in self.server.seen)
        getattr(self, "do_" + kind)(requests)

    def send(self, data: bytes, cut: int | None = None, ranges: bool = True, length: bool = True):
        asked = self.headers.get("Range") if ranges else None
        condition = self.headers.get("If-Range")
        start = int(asked[6:-1]) if asked and condition in (None, self.server.tag) else 0
        if start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        if length:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + cut] if cut else data[start:])

    def do_good(self, _):
        self.send(self.server.data)

    def do_drops(self, _):
        self.send(self.server.data, cut=100_000)

    def do_forgetful(self, requests):  # drops once, and knows no Range
        self.send(self.server.data, cut=100_000 if requests == 1 else None, ranges=False)

    def do_changes(self, requests):  # another version after the connection dropped
        if requests == 1:
            self.send(bytes(300_000), cut=100_000)
            self.server.tag = '"two"'
        else:
            self.send(DATA)

    def do_stubborn(self, requests):  # likewise, but continues the old version's bytes with the new one's
        if requests == 2:
            del self.headers["If-Range"]
        self.do_changes(requests)

    def do_endless(self, _):
        self.send(self.server.data, length=False)

    def do_declares(self, _):
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 50))
        self.end_headers()

    def do_missing(self, _):
        self.send_error(404)

    def do_broken(self, requests):
        self.send_error(500) if requests < 3 else self.send(self.server.data)

    def do_dead(self, _):
        self.send_error(503)

    def do_moved(self, _):
        self.redirect(self.server.url + "/good/file")

    def do_loop(self, _):
        self.redirect(self.server.url + "/loop/file")

    def do_elsewhere(self, _):
        self.redirect("ftp://127.0.0.1/file")

    def redirect(self, target: str):
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def listening(server):
    """The server, answering until the block ends."""
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
