"""Bring the README's table of networks in line with the records.

    python tools/readme.py
"""
import re
from pathlib import Path

from helpers import load_runs

README = Path(__file__).parent.parent / 'README.md'


def row(match):
    """A row of the table: what names it, each seed's end, the fastest run."""
    runs = load_runs(match['name'])
    fastest = min(runs, key=lambda run: run['seconds'])
    return ' | '.join([
        match['start'],
        ' '.join(f'{run["epochs"][-1]["val_acc"]:.3f}' for run in runs),
        f'{fastest["seconds"]:.0f}',
        f'{fastest["device"]}, {fastest["precision"]}']) + ' |'


if __name__ == '__main__':
    README.write_text(re.sub(
        r'^(?P<start>\| \[[^]]+\]\(results/(?P<name>[\w-]+)\.json\) \|[^|]*)'
        r' \|.*$', row, README.read_text(), flags=re.M))
