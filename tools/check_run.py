"""Check what a full training brought, before it is proposed for the course.

    python tools/check_run.py FOLDER [COMMIT]

FOLDER holds the files that the training changed: executed notebooks under
chapters/, records and weights under results/. They are checked as data and
never run. COMMIT is the one they were made from. Exits with the faults.
"""
import copy
import hashlib
import json
import statistics
import sys
from pathlib import Path

import jsonschema
import nbformat

import contract
from helpers.records import newest_runs

ROOT = Path(__file__).parent.parent
MAX_BYTES = 5_000_000
number, text = {'type': 'number'}, {'type': 'string', 'minLength': 1}
whole = {'type': 'integer', 'minimum': 1}


def exactly(**properties):
    """The schema of an object that has these properties and no other."""
    return {'type': 'object', 'properties': properties,
            'required': list(properties), 'additionalProperties': False}


EPOCH = exactly(epoch=whole, train_loss=number, val_loss=number,
                val_acc={'type': 'number', 'minimum': 0, 'maximum': 1})
OF_A_RUN = dict(
    seed={'type': 'integer'}, device=text, threads=whole,
    precision={'enum': ['fp32', 'bf16', 'fp16']}, seconds=number,
    peak_memory_mb=number, date={'type': 'string', 'pattern': r'^\d{4}-\d\d-'},
    commit={'type': 'string', 'pattern': '^[0-9a-f]{40}$'},
    versions=exactly(python=text, torch=text, d2l=text),
    epochs={'type': 'array', 'items': EPOCH, 'minItems': 1})
RUN = exactly(**OF_A_RUN)
RUN['properties']['weights_sha256'] = {'type': 'string'}
KEY = exactly(initial_weights=text, optimizer=text, lr=number,
              momentum=number, batch_size=whole, epochs=whole,
              resize={'type': 'array', 'items': whole})
for only_if_used in 'weight_decay', 'gradient_clip_val':
    KEY['properties'][only_if_used] = number
SCHEMA = exactly(
    name=text, chapter=text, hyperparameters=KEY,
    data=exactly(dataset=text, train=whole, validation=whole, sha256=text),
    model=exactly(parameters=whole, macs=whole),
    runs={'type': 'array', 'items': RUN, 'minItems': 1})

# In these one network is trained by recipes that differ from run to run.
RECIPES = {'recipe', 'recipe-rates', 'lenet-rates', 'bn-lenet-rates'}
RECIPE_SCHEMA = copy.deepcopy(SCHEMA)
RECIPE_SCHEMA['properties']['hyperparameters'] = exactly(
    initial_weights=text, optimizer=text, batch_size=whole,
    resize={'type': 'array', 'items': whole})
RECIPE_SCHEMA['properties']['runs']['items'] = exactly(
    **OF_A_RUN, recipe=text, max_epochs=whole, lr=number, momentum=number,
    weight_decay=number, schedule={'enum': ['constant', 'cosine']},
    augmentation={'type': 'boolean'}, label_smoothing=number)

# The validation accuracy that a network must reach in the mean over its seeds.
# LeNet: that of the first five, .733, plus and minus four of their standard
# deviations, .0066. The others: what is expected, plus and minus .02; that is
# what d2l 1.0.3 publishes, for AlexNet from Xavier's weights its first run.
BANDS = {'lenet': (0.707, 0.759), 'alexnet': (0.810, 0.850),
         'alexnet-xavier': (0.864, 0.904), 'vgg': (0.876, 0.916),
         'nin': (0.845, 0.885), 'googlenet': (0.782, 0.822),
         'bn-lenet': (0.856, 0.896),
         'resnet18': (0.883, 0.923), 'resnext': (0.869, 0.909)}


def record_faults(name, record):
    """What is wrong with a record, each a sentence.

    Of each seed the newest run counts.
    """
    try:
        jsonschema.validate(
            record, RECIPE_SCHEMA if name in RECIPES else SCHEMA)
    except jsonschema.ValidationError as error:
        where = '/'.join(map(str, error.absolute_path)) or 'the top'
        return [f'{name}.json has another form at {where}: {error.message}']
    found = []
    if record['name'] != name:
        found.append(f'{name}.json calls itself {record["name"]}.')
    for i, run in enumerate(record['runs']):
        last = run.get('max_epochs') or record['hyperparameters']['epochs']
        if [row['epoch'] for row in run['epochs']] != [*range(1, last + 1)]:
            found.append(f'Run {i} of {name} does not have the epochs 1 to '
                         f'{last}.')
    return found + ([] if name in RECIPES else _band_faults(name, record))


def _band_faults(name, record):
    if name not in BANDS:
        return [f'{name} has no band in tools/check_run.py.']
    mean = statistics.mean(run['epochs'][-1]['val_acc']
                           for run in newest_runs(record))
    low, high = BANDS[name]
    if low <= mean <= high:
        return []
    return [f'{name} ends at {mean:.3f} in the mean over its seeds, outside '
            f'its band from {low} to {high}.']


def artifact_faults(folder, commit=None, root=ROOT):
    """What is wrong with the files that a training brought."""
    found, names = [], []
    for path in sorted(folder.rglob('*')):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            found.append(f'{name} is neither a file nor a folder.')
        elif path.is_file() and not _is_expected(name, root):
            found.append(f'{name} is not a file that a training changes.')
        elif path.is_file() and path.stat().st_size > MAX_BYTES:
            found.append(f'{name} has {path.stat().st_size:,} bytes, more '
                         f'than {MAX_BYTES:,}.')
        elif path.is_file():
            names.append(name)
    if found or not names:
        return found or ['There is no file to check.']
    for name in names:
        check = {'.ipynb': _notebook_faults, '.json': _new_record_faults,
                 '.pt': _weights_faults}[Path(name).suffix]
        try:
            found += check(name, folder, root, commit)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            found.append(f'{name} cannot be read ({error}).')
    return found


def _is_expected(name, root):
    if name.startswith('results/'):
        return name in {f'results/{network}{kind}' for network in BANDS
                        for kind in ('.json', '.pt')} | {
                            f'results/{record}.json' for record in RECIPES}
    return (name.count('/') == 1 and name.startswith('chapters/')
            and name.endswith('.ipynb') and (root / name).exists())


def _notebook_faults(name, folder, root, commit):
    new, old = (nbformat.read(path / name, as_version=4)
                for path in (folder, root))
    if _sources(new) != _sources(old) or new.metadata != old.metadata:
        return [f'{name} differs from the course in more than its outputs.']
    for cell in new.cells:
        for output in cell.get('outputs', ()):
            kinds = set(output.get('data', ()))
            if kinds - {'text/plain', 'image/png'}:
                return [f'{name} shows {", ".join(sorted(kinds))}, but only '
                        f'text and PNG are shown in the course.']
    return contract.faults(folder / name, folder / 'results')


def _sources(notebook):
    return [(cell.id, cell.cell_type, cell.source, cell.metadata)
            for cell in notebook.cells]


def _new_record_faults(name, folder, root, commit):
    record = json.loads((folder / name).read_text())
    old = {'runs': []}
    if (root / name).exists():
        old = json.loads((root / name).read_text())
    kept = len(old['runs'])
    found = record_faults(Path(name).stem, record)
    if found:
        return found
    if {**record, 'runs': record['runs'][:kept]} != {**record, **old}:
        found.append(f'{name} changes what was recorded: runs are only '
                     f'appended.')
    if len(record['runs']) == kept:
        found.append(f'{name} holds no new run.')
    for run in record['runs'][kept:]:
        if commit and run['commit'] != commit:
            found.append(f'{name} holds a run of commit {run["commit"]}, not '
                         f'of {commit}.')
    return found


def _weights_faults(name, folder, root, commit):
    runs = json.loads((folder / name).with_suffix('.json').read_text()
                      if (folder / name).with_suffix('.json').exists()
                      else '{"runs": []}')['runs']
    named = [run['weights_sha256'] for run in runs if 'weights_sha256' in run]
    if hashlib.sha256((folder / name).read_bytes()).hexdigest() not in named[
            -1:]:
        return [f'{name} is not the file that the newest run names.']
    return []


if __name__ == '__main__':
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    faults = artifact_faults(Path(sys.argv[1]), *sys.argv[2:])
    sys.exit('\n'.join(faults) or 0)
