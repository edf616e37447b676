"""A book that was visited once can be read without a network."""
import hashlib
import json
from pathlib import Path

# All that a page shows; not the notebooks, which can be downloaded.
SUFFIXES = {'.html', '.css', '.js', '.mjs', '.woff2', '.png', '.svg', '.json'}


def write_worker(app, exception):
    """Write the service worker `sw.js`, which knows each file's hash."""
    if exception or app.builder.name != 'html':
        return
    folder = Path(app.outdir)
    files = {path.relative_to(folder).as_posix():
             hashlib.sha256(path.read_bytes()).hexdigest()[:12]
             for path in sorted(folder.rglob('*'))
             if path.suffix in SUFFIXES and path.name != 'sw.js'}
    code = Path(__file__).with_name('offline.js').read_text()
    (folder / 'sw.js').write_text(
        f'const FILES = {json.dumps(files, separators=(",", ":"))};\n{code}')


def setup(app):
    """Write the worker when all else is written."""
    app.connect('build-finished', write_worker, priority=900)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
