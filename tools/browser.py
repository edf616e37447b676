"""Chromium and a server on loopback: what prints, pictures and tests use."""
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = 'chromium', 'chromium-browser', 'google-chrome'


@contextmanager
def chromium():
    """A running Chromium: the machine's own, or else Playwright's.

    Playwright's is fetched once. Raises RuntimeError if there is none and
    none can be fetched.
    """
    own = next(filter(None, map(shutil.which, NAMES)), None)
    flags = ['--disable-background-networking']
    if hasattr(os, 'geteuid') and os.geteuid() == 0:
        flags.append('--no-sandbox')  # Chromium has no sandbox for root
    with sync_playwright() as playwright:
        if not own and not Path(playwright.chromium.executable_path).exists():
            fetched = subprocess.run(
                [sys.executable, '-m', 'playwright', 'install', 'chromium'],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if fetched.returncode:
                raise RuntimeError(
                    'There is no Chromium on this machine and none could be '
                    'fetched: install one (Debian and Ubuntu: apt-get install '
                    'chromium), or connect to the network and try again.')
        browser = playwright.chromium.launch(executable_path=own, args=flags)
        yield browser
        browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def send_error(self, code, *arguments):
        """The site's own page for what is not there, as on GitHub Pages."""
        page = Path(self.directory) / '404.html'
        if code != 404 or not page.exists():
            return super().send_error(code, *arguments)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header('Content-Type', 'text/html; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served(folder):
    """Serve a folder on loopback; the address, such as http://127.0.0.1:5."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()
