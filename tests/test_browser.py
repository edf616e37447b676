"""Which Chromium looks at the site, and what is said where there is none."""
import os
import subprocess
import sys
import tarfile
import urllib.request

import pytest

import browser
from conftest import ROOT


def look(tmp_path, **environment):
    """How a look for a browser ends without a network: status, last line."""
    process = subprocess.run(
        [sys.executable, '-c', f"""
import pathlib, browser
browser.FETCHED = pathlib.Path({str(tmp_path)!r}, 'fetched')
with browser.chromium():
    pass"""],
        cwd=ROOT / 'tools', text=True, capture_output=True, env={
            'PATH': '', 'PLAYWRIGHT_BROWSERS_PATH': str(tmp_path),
            'HTTPS_PROXY': 'http://127.0.0.1:9',
            'npm_config_cache': str(tmp_path / 'npm'), **environment})
    return process.returncode, process.stderr.strip().split('\n')[-1]


def test_without_one_a_sentence_says_what_was_tried(tmp_path):
    status, told = look(tmp_path)
    assert status == 1
    assert told.startswith("RuntimeError: No Chromium starts here, tried: "
                           "Playwright's (")
    assert 'CHROMIUM=/path' in told and 'apt-get install chromium' in told
    assert not (tmp_path / 'fetched').exists()


def test_one_that_starts_and_dies_is_named(tmp_path):
    dies = tmp_path / 'chromium'
    dies.write_text('#!/bin/sh\nexit 1\n')
    dies.chmod(0o755)
    for environment in {'CHROMIUM': str(dies)}, {'PATH': str(tmp_path)}:
        status, told = look(tmp_path, **environment)
        assert status == 1
        assert f'tried: {dies} (Target page' in told
        assert 'Give one with CHROMIUM=/path/to/chromium' in told


def test_a_given_one_that_is_not_there_is_named(tmp_path):
    assert 'tried: /no/chromium (' in look(tmp_path,
                                           CHROMIUM='/no/chromium')[1]


def test_one_that_dies_makes_way_for_the_next(monkeypatch):
    tried = []
    monkeypatch.delenv('CHROMIUM', raising=False)
    monkeypatch.setattr(browser, 'SOURCES', (
        ('a broken one', lambda _: tried.append(1) or {
            'executable_path': '/bin/false'}), *browser.SOURCES))
    with browser.chromium() as found:
        assert tried and found.version


def test_a_package_that_was_exchanged_is_not_unpacked(tmp_path, monkeypatch):
    def pack(*command, cwd, **settings):
        with tarfile.open(cwd / 'other.tgz', 'w:gz') as archive:
            archive.add(__file__, 'package/bin/chromium.br')
    monkeypatch.setattr(browser, '_run', pack)
    monkeypatch.setattr(browser, 'FETCHED', tmp_path / 'chromium')
    monkeypatch.setattr(browser.platform, 'machine', lambda: 'x86_64')
    with pytest.raises(OSError, match='is not the file that was expected'):
        browser._npms(None)
    assert not list(tmp_path.iterdir())


def test_a_reader_who_hangs_up_is_no_fault_of_the_server(tmp_path, capfd):
    (tmp_path / 'large.bin').write_bytes(bytes(5_000_000))
    with browser.served(tmp_path) as address:
        for _ in range(3):
            urllib.request.urlopen(f'{address}/large.bin').close()
        urllib.request.urlopen(address).read()
    assert 'Exception occurred' not in capfd.readouterr().err
    assert os.listdir(tmp_path) == ['large.bin']
