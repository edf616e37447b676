"""Run chapters as Colab does, without Google.

    python tools/try_colab.py        all chapters
    python tools/try_colab.py 7-2    one

Each chapter is alone in an empty folder, in an environment with what Colab
has (.venv-colab, made by `make colab-test`) and neither d2l nor helpers.
It fetches them as it will on Colab, from a git repository in place of GitHub.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from colab import prepare
from refresh import find_chapters

ROOT = Path(__file__).parent.parent
REPOSITORY = 'someone/a-course'
PACKAGE = ['helpers', 'results', 'pyproject.toml', 'README.md', 'LICENSE']


def run(*command, **settings):
    """What a command prints; raises CalledProcessError if it fails."""
    return subprocess.run(list(map(str, command)), check=True, text=True,
                          stdout=subprocess.PIPE, **settings).stdout.strip()


def serve_repository(folder):
    """Commit the course to `folder`/someone/a-course.git: its commit."""
    repository = folder / f'{REPOSITORY}.git'
    repository.mkdir(parents=True)
    for name in PACKAGE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, repository / name)
    git = ['git', '-C', repository, '-c', 'user.name=a', '-c', 'user.email=b']
    run(*git, 'init', '-q')
    run(*git, 'add', '.')
    run(*git, 'commit', '-q', '-m', 'The course')
    return run(*git, 'rev-parse', 'HEAD')


def write_kernel(folder, python):
    """Describe a kernel in which github.com is `folder`."""
    (folder / 'kernels' / 'colab').mkdir(parents=True)
    (folder / 'kernels' / 'colab' / 'kernel.json').write_text(json.dumps({
        'display_name': 'Colab', 'language': 'python',
        'argv': [str(python), '-m', 'ipykernel_launcher', '-f',
                 '{connection_file}'],
        'env': {'GIT_CONFIG_COUNT': '1',
                'GIT_CONFIG_KEY_0': f'url.{folder.as_uri()}/.insteadOf',
                'GIT_CONFIG_VALUE_0': 'https://github.com/',
                'PATH': f'{Path(python).parent}:{os.environ["PATH"]}'}}))


def run_chapter(path, commit, folder):
    """Run a chapter from first to last cell, the first one twice.

    Returns the executed notebook and the seconds that fetching took. Raises
    CellExecutionError when a cell fails.
    """
    prepared = json.loads(path.read_text())
    prepare(prepared, REPOSITORY, commit)
    notebook = nbformat.reads(json.dumps(prepared), as_version=4)
    alone = folder / 'content' / path.stem
    alone.mkdir(parents=True)
    client = NotebookClient(notebook, timeout=None, kernel_name='colab',
                            resources={'metadata': {'path': alone}})
    with client.setup_kernel():
        client.kc.execute(
            'import sys, types\n'
            'sys.modules["google.colab"] = types.ModuleType("google.colab")',
            silent=True)
        start = time.perf_counter()
        client.execute_cell(notebook.cells[0], 0)
        seconds = time.perf_counter() - start
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
    return notebook, seconds


def main(chapter=None):
    """Run the chapters and say of each how it went; 1 if one failed."""
    python = ROOT / '.venv-colab' / 'bin' / 'python'
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        commit = serve_repository(folder)
        write_kernel(folder, python)
        os.environ['JUPYTER_PATH'] = str(folder)
        for path in find_chapters(chapter):
            run(python, '-m', 'pip', 'uninstall', '-q', '-y', 'd2l',
                'cnn-course-helpers', stderr=subprocess.DEVNULL)
            start = time.perf_counter()
            try:
                seconds = run_chapter(path, commit, folder)[1]
            except CellExecutionError as error:
                failed.append(path.stem)
                print(f'{path.stem} failed:\n{error}', flush=True)
                continue
            print(f'{path.stem}: fetched in {seconds:.1f} s, all in '
                  f'{time.perf_counter() - start:.0f} s', flush=True)
    return f'{", ".join(failed)} failed, see above.' if failed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:2]))
