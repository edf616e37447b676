"""The records of full runs, one file a network: `results/<name>.json`."""
import hashlib
import json
import os
import platform
import subprocess
from pathlib import Path

import torch
from filelock import FileLock

CHECKOUT = Path(__file__).parent.parent
PACKAGED = Path(__file__).parent / 'results'  # where there is no checkout


def describe_run(run, num_images, mode='Full'):
    """One line about a run: epochs, images, device, speed, figures."""
    last = {key.replace('_', ' '): value
            for key, value in run['epochs'][-1].items()}
    epochs = last.pop('epoch')
    speed = epochs * num_images / max(run['seconds'], 0.1)
    return (f'{mode} run: {epochs} epochs of {num_images:,} images, '
            f'{run["device"]}, {run["precision"]}, {run["seconds"]:.0f} s '
            f'({speed:,.0f} images/s, {run["peak_memory_mb"]:,} MB): '
            + ', '.join(f'{key} {value:.3f}' for key, value in last.items()))


def load_record(name):
    """The record of a network, the dict that `results/<name>.json` holds.

    Raises FileNotFoundError when no full run of that name was recorded, and
    ValueError when the file holds something else.
    """
    path = _find(f'{name}.json')
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f'{path} is no record any more ({error}): restore '
                         f'it from the course.') from error


def load_records():
    """The records of all networks, as `load_record`, by their chapters.

    Of those that the course comes with and those that a reader added. Where
    the learning rate differs from run to run, it is no network's record.
    """
    names = {path.stem for folder in (_own_results(), PACKAGED)
             for path in folder.glob('*.json')}
    return sorted((record for record in map(load_record, names)
                   if 'lr' in record.get('hyperparameters', ())),
                  key=lambda record: (record['chapter'], record['name']))


def load_runs(name, **facts):
    """The newest recorded run of every seed, in the order of the seeds.

    Of the runs with these `facts` only, such as `seed=0` or
    `device='NVIDIA H200'`. Raises ValueError if there is none.
    """
    record = load_record(name)
    record['runs'] = [run for run in record['runs'] if all(
        run.get(key) == value for key, value in facts.items())]
    if not record['runs']:
        raise ValueError(f'{name}.json has no run with {facts}: look at the '
                         f'runs in load_record({name!r}).')
    return newest_runs(record)


def newest_runs(record):
    """The newest run of every seed in a record, in the order of the seeds."""
    newest = {run['seed']: run for run in record['runs']}
    return [newest[seed] for seed in sorted(newest)]


def show_record(name, epochs):
    """Print how a network's run with its first seed went, and where all end.

    Of the newest run with that seed the losses and the accuracy after each
    of `epochs`, then one line for every run that was recorded.
    """
    record = load_record(name)
    run = newest_runs(record)[0]
    print(f'seed {run["seed"]}, {run["device"]}:')
    for epoch in epochs:
        row = run['epochs'][epoch - 1]
        print(f'epoch {epoch:2}: training loss {row["train_loss"]:.2f}, '
              f'validation loss {row["val_loss"]:.2f}, accuracy '
              f'{row["val_acc"]:.3f}')
    print('all runs, at the end:')
    for run in record['runs']:
        print(f'seed {run["seed"]}: accuracy '
              f'{run["epochs"][-1]["val_acc"]:.3f}, {run["device"]}, '
              f'{run["precision"]}, {run["seconds"]:,.0f} s')


def load_weights(model, name):
    """Give `model` the recorded weights `results/<name>.pt`; return it.

    Raises ValueError if the file is not the one that the record names.
    """
    path = _find(f'{name}.pt')
    expected = [run['weights_sha256'] for run in load_record(name)['runs']
                if 'weights_sha256' in run][-1:]
    found = _sha256(path)
    if expected != [found]:
        raise ValueError(f'{path} does not belong to {name}.json: SHA-256 '
                         f'{"".join(expected) or "none"} was expected, '
                         f'{found} was found. Restore both from the course.')
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def refusal(task):
    """Why a run of this task cannot be recorded: a sentence, or None.

    `task` is a record without its runs. Where there is a record of its name,
    it must be one of the same task.
    """
    if task['hyperparameters']['initial_weights'] is None:
        return ('This run will not be recorded: nothing says from which '
                'weights the network begins. Call model.apply_init with a '
                'batch, and a rule if you have one, before fit.')
    task = json.loads(json.dumps(task))  # as it would be read again
    record = _load_or_begin(task)
    changed = [key for key in task if record[key] != task[key]]
    if not changed:
        return None
    return (f'This run will not be recorded: {" and ".join(changed)} differ '
            f'from those of {task["name"]}.json. Give the trainer another '
            f'name.')


def append_run(task, run, weights=None):
    """Append a run to the record of its task, and put its weights beside.

    A run that is there already, since it was killed just after that, is not
    appended again. Raises RuntimeError if `refusal` says why not.
    """
    path = _own_results() / f'{task["name"]}.json'
    path.parent.mkdir(exist_ok=True)
    with FileLock(path.with_suffix('.lock')):  # another may record, too
        _append(path, task, run, weights)


def _append(path, task, run, weights):
    if refusal(task):  # another has begun a record of this name meanwhile
        raise RuntimeError(refusal(task))
    record = _load_or_begin(task)
    if weights:
        write_whole(path.with_suffix('.pt'),
                    lambda file: torch.save(weights, file))
        run = {**run, 'weights_sha256': _sha256(path.with_suffix('.pt'))}
    same = ('seed', 'seconds', 'epochs')
    if any(all(old[key] == run[key] for key in same)
           for old in record['runs']):
        return
    record['runs'].append(run)
    text = json.dumps(record, indent=1) + '\n'
    write_whole(path, lambda file: file.write(text.encode()))


def write_whole(path, write):
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + '.partial')
    try:
        with open(partial, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def device_name(device):
    """What the device is called by its maker, such as 'AMD EPYC'."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    try:
        lines = Path('/proc/cpuinfo').read_text().split('\n')
        return next(line.split(':')[1].strip() for line in lines
                    if line.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit(chapter):
    """The commit that is checked out, '-changed' if code differs from it."""
    def git(*arguments):
        return subprocess.run(['git', '-C', CHECKOUT, *arguments], text=True,
                              capture_output=True, check=True).stdout.strip()
    try:
        changed = git('status', '--porcelain', 'helpers',
                      f'chapters/{chapter}.ipynb')
        return git('rev-parse', 'HEAD') + ('-changed' if changed else '')
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def _load_or_begin(task):
    try:
        return load_record(task['name'])
    except FileNotFoundError:
        return {**task, 'runs': []}


def _own_results():
    """Where this reader's runs are recorded."""
    if (CHECKOUT / '_toc.yml').exists():
        return CHECKOUT / 'results'
    return Path('results')


def _find(file):
    for folder in _own_results(), PACKAGED:
        if (folder / file).exists():
            return folder / file
    raise FileNotFoundError(f'There is no {file} yet: a full run of its '
                            f'chapter writes it (COURSE_RUN=full).')


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
