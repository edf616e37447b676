"""The workflows: their form, their security, and what they may never do."""
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from colab import BRANCH
from conftest import ROOT

WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))
BIN = Path(sys.executable).parent


def load(name):
    return yaml.safe_load((ROOT / '.github/workflows' / name).read_text())


def check(*command):
    process = subprocess.run([BIN / command[0], *command[1:]], text=True,
                             capture_output=True)
    assert process.returncode == 0, process.stdout + process.stderr


def test_they_have_the_form_of_workflows():
    check('check-jsonschema', '--builtin-schema', 'vendor.github-workflows',
          *WORKFLOWS)


def test_zizmor_finds_nothing():
    check('zizmor', '--offline', '--no-progress', *WORKFLOWS)


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.stem)
def test_every_job_has_a_timeout_and_its_own_permissions(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow['permissions'] == {}
    for job in workflow['jobs'].values():
        assert job['timeout-minutes'] and job['permissions']


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.stem)
def test_what_pull_requests_start_runs_on_hosted_machines(path):
    workflow = yaml.safe_load(path.read_text())
    events = workflow[True]  # YAML reads "on" as true
    hosted = [isinstance(job['runs-on'], str)
              and job['runs-on'].startswith('ubuntu-')
              for job in workflow['jobs'].values()]
    if set(events) - {'workflow_dispatch', 'schedule'}:
        assert all(hosted)
        assert 'pull_request_target' not in events


def test_the_gpu_runner_can_only_read():
    jobs = load('full.yml')['jobs']
    assert jobs['train']['runs-on'] == ['self-hosted', 'gpu']
    assert jobs['train']['permissions'] == {'contents': 'read'}
    assert 'secrets' not in str(jobs['train'])


def test_ci_runs_the_command_of_the_readme():
    job = load('ci.yml')['jobs']['test']
    assert 'make test' in [step.get('run') for step in job['steps']]
    assert 'make test ' in (ROOT / 'README.md').read_text()


def test_every_week_the_chapters_run_as_in_colab():
    steps = load('weekly.yml')['jobs']['colab']['steps']
    assert steps[-1]['run'] == 'make colab-test'


def test_every_week_the_newest_releases_are_tried():
    jobs = load('weekly.yml')['jobs']
    assert jobs['book-next']['steps'][-1]['run'] == 'make book-next'
    unpin, test = (step['run'] for step in jobs['newest']['steps'][-2:])
    assert test == 'make test'
    text = (ROOT / 'requirements/book.txt').read_text()
    unpinned = subprocess.run(
        ['sed', '-E', unpin.split("'")[1]], input=text, text=True,
        capture_output=True, check=True).stdout
    assert re.findall('.*==.*', unpinned) == re.findall('jupyter-book.*', text)
    assert len(unpinned.split('\n')) == len(text.split('\n'))


def test_colab_opens_chapters_of_the_published_commit():
    job = load('pages.yml')['jobs']['colab']
    assert job['needs'] == 'publish'
    commands = '\n'.join(step.get('run', '') for step in job['steps'])
    assert ('python3 tools/colab.py "$GITHUB_REPOSITORY" "$GITHUB_SHA"'
            in commands)
    assert f'git push --force origin {BRANCH}' in commands
