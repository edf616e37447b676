"""Every test, and every notebook as a test, runs in quick mode on the CPU."""
import os
import re

os.environ['COURSE_RUN'] = 'quick'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
os.environ.pop('COURSE_DATA', None)


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
