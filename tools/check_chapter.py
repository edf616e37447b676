"""Check one chapter: its rules, its page and what its cells print.

    python tools/check_chapter.py 7-3

The page is built strictly in a copy of the book in which the other chapters
are no more than their headings, to which it may link.
"""
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from book import ROOT, build, copy_sources
from contract import faults
from refresh import find_chapters


def build_page(path):
    """Build the page of the chapter at `path`: exit status and text."""
    with tempfile.TemporaryDirectory() as folder:
        copy_sources(Path(folder), [path.stem])
        shutil.copy(path, Path(folder) / 'chapters')
        return build(Path(folder))


def check(path):
    """Say what is wrong with the chapter at `path`; the exit status."""
    print(f'{path.name}: its rules, its page, its cells', flush=True)
    told = faults(path)
    with ThreadPoolExecutor() as pool:  # on one core, the cells on the other
        page = pool.submit(build_page, path)
        status = pytest.main(['-q', str(path)])
        broken, log = page.result()
    if broken:
        told.append(f'The page cannot be built:\n{log}')
    print('\n'.join(told))
    return int(status) or bool(told)


if __name__ == '__main__':
    os.chdir(ROOT)
    os.environ['OMP_NUM_THREADS'] = '1'  # the page is built beside
    sys.exit(max(map(check, find_chapters(*sys.argv[1:2]))))
