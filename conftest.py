"""Every test, and every notebook as a test, runs in quick mode on the CPU."""
import os
import re

from nbval.plugin import IPyNbCell

from tolerance import outputs_differ_by

os.environ['COURSE_RUN'] = 'quick'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
os.environ.pop('COURSE_DATA', None)
strictly = IPyNbCell.compare_outputs
# Files that take the longest, begun first so that no worker ends late.
LONGEST = ['test_site', 'test_book', 'test_editing', '8-1', '8-3', '8-4',
           '8-5', '8-2', '8-6', 'test_resume', 'test_data', '7-3', '7-6',
           'test_colab']


def pytest_collection_modifyitems(items):
    """Begin the longest files first, the others in their order."""
    items.sort(key=lambda item: next((
        i for i, name in enumerate(LONGEST)
        if item.path.name.startswith(name)), len(LONGEST)))


def compare_outputs(cell, new, stored, skip_compare=None):
    """Compare as nbval does, but for the tolerance that a cell may carry.

    Of outputs that differ by no more the stored text is taken for the new.
    """
    tolerance = cell.cell.metadata.get('tolerance')
    if tolerance is None:
        return strictly(cell, new, stored, skip_compare)
    apart = outputs_differ_by(stored, new)
    if apart <= tolerance:
        for output, old in zip(new, stored):
            if 'text' in old:
                output.text = old.text
            elif 'text/plain' in old.get('data', {}):
                output.data['text/plain'] = old.data['text/plain']
    equal = strictly(cell, new, stored, skip_compare)
    if not equal:
        cell.comparison_traceback.append(
            f'The cell has a tolerance of {tolerance}. ' + (
                f'Its numbers differ by up to {apart:g}.'
                if apart < float('inf') else
                'More than its numbers with decimals differs.'))
    return equal


IPyNbCell.compare_outputs = compare_outputs


def pytest_terminal_summary(terminalreporter):
    """Say what to do when a chapter no longer prints what it stores."""
    failed = {report.nodeid.split('::')[0].split('/')[-1]
              for report in terminalreporter.stats.get('failed', ())
              if '.ipynb::' in report.nodeid}
    for name in sorted(failed):
        chapter = re.match(r'\d-\d+|\w+', name)[0]
        terminalreporter.write_line(
            f'{name} prints something else than it stores: mend the cause, '
            f'or, if the change is meant, run make refresh '
            f'CHAPTER={chapter} and look at what changed.')
