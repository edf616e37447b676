"""Checkpoints, so that a training that was killed goes on where it was.

A checkpoint is the SHA-256 of what follows, and then what torch.save wrote.
The one before is kept beside it.
"""
import ast
import hashlib
import inspect
import io
import os
import textwrap
import warnings
from pathlib import Path

import torch

from helpers.fetch import cache_folder
from helpers.records import write_whole


def checkpoint_path(name, seed):
    """Where the checkpoint of a run is kept: beside the cached data."""
    return (cache_folder().parent / 'checkpoints' / f'{name}-{seed}.ckpt')


def save_checkpoint(path, task, state):
    """Write a checkpoint whole or not at all; keep the one before.

    `task` says whose checkpoint it is, a dict of plain values.
    """
    buffer = io.BytesIO()
    torch.save({'task': task, 'state': state}, buffer)
    content = buffer.getvalue()

    def write(file):
        file.write(hashlib.sha256(content).digest())
        file.write(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    latest = path.with_suffix('.latest')
    write_whole(latest, write)
    if path.exists():
        os.replace(path, _before(path))
    os.replace(latest, path)


def load_checkpoint(path, task):
    """The newest state that is whole, or None if there is no checkpoint.

    A damaged checkpoint is passed over with a warning. Raises RuntimeError
    if a checkpoint belongs to another task.
    """
    for candidate in path, _before(path):
        if not candidate.exists():
            continue
        content = candidate.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            warnings.warn(f'The checkpoint {candidate} is damaged and is '
                          f'passed over.', stacklevel=2)
            continue
        saved = torch.load(io.BytesIO(content[32:]), map_location='cpu',
                           weights_only=True)
        changed = [key for key in task if saved['task'].get(key) != task[key]]
        if changed:
            raise RuntimeError(
                f'The checkpoint {candidate} is of a run with other '
                f'{" and ".join(changed)}: undo that change to go on with '
                f'that run, or delete it and {_before(path).name} beside it '
                f'to start afresh.')
        return saved['state']
    return None


def delete_checkpoint(path):
    """Delete the checkpoint of a run that is recorded, and the one before."""
    for old in path, _before(path):
        old.unlink(missing_ok=True)


def code_version(model):
    """A SHA-256 over the code that trains `model`.

    It changes with the helpers that compute and with every function of the
    classes in the network, in which comments and layout do not matter.
    """
    digest = hashlib.sha256()
    for name in ('data.py', 'distributed.py', 'fetch.py', 'runs.py',
                 'training.py'):
        digest.update((Path(__file__).parent / name).read_bytes())
    classes = {kind for module in model.modules()
               for kind in type(module).__mro__
               if not kind.__module__.startswith(('torch.', 'builtins'))}
    for kind in sorted(classes, key=lambda kind: (kind.__qualname__,
                                                  kind.__module__)):
        for name, function in sorted(vars(kind).items()):
            if inspect.isfunction(function):
                digest.update(repr((kind.__qualname__, name,
                                    _syntax(function))).encode())
    return digest.hexdigest()


def _syntax(function):
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source).body[0]
    except (OSError, SyntaxError):  # made without a file, or a lambda
        return function.__code__.co_code
    tree.decorator_list = []  # such as add_to_class
    return ast.dump(tree)


def _before(path):
    return path.with_suffix('.before')
