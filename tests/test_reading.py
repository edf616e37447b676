"""What a reader is led to: papers, documentation, solutions, comparison."""
import importlib
import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from pybtex.database import parse_file

from code_links import find_documented, link_code
from conftest import ROOT
from contract import numbers_of_exercises
from helpers import load_records

CHAPTERS = sorted((ROOT / 'chapters').glob('[0-9]*.ipynb'))
PAGES = sorted((ROOT / 'chapters').glob('*.ipynb'))
NO_PAPER = ('https://d2l.ai/', 'https://github.com/')


def text_of(path):
    """All Markdown of a notebook."""
    return '\n'.join(cell.source for cell in nbformat.read(path, 4).cells
                     if cell.cell_type == 'markdown')


def papers():
    """The address and the year of each entry of references.bib."""
    return {(f'https://arxiv.org/abs/{entry["eprint"]}' if 'eprint' in entry
             else f'https://doi.org/{entry["doi"]}' if 'doi' in entry
             else entry['url']): entry['year']
            for entry in (entry.fields for entry in parse_file(
                ROOT / 'references.bib').entries.values())}


def test_the_bibliography_holds_what_the_chapters_cite_and_nothing_else():
    cited = {address for path in PAGES for address in re.findall(
        r'\]\((https://[^)]+)\)', text_of(path))
        if not address.startswith(NO_PAPER)}
    assert cited == set(papers()) - {'https://d2l.ai'}


def test_a_paper_has_the_same_year_wherever_it_is_cited():
    years = papers()
    for path in PAGES:
        for words, address in re.findall(r'\[([^]]+)\]\((https://[^)]+)\)',
                                         text_of(path)):
            for year in re.findall(r'\b(?:19|20)\d\d\b', words):
                assert years.get(address, year) == year, (
                    f'{path.name}: [{words}]({address})')


def test_the_bibliography_names_the_chapters(html):
    page = BeautifulSoup((html / 'references.html').read_text(),
                         'html.parser')
    entries = page.select('article li')
    assert len(entries) == len(papers())
    rectifiers = next(entry for entry in entries
                      if 'Delving deep into rectifiers' in entry.text)
    assert rectifiers.find('a', string='8.2')['href'].startswith(
        'chapters/8-2-vgg.html')
    assert not rectifiers.find('a', string='7.1')


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda path: path.stem[:3])
def test_five_exercises_or_more_are_solved_and_folded_away(html, path):
    exercises = numbers_of_exercises(text_of(path))
    assert len(exercises) >= 5
    page = BeautifulSoup((html / f'chapters/{path.stem}.html').read_text(),
                         'html.parser')
    folded = page.select('details.solution')
    written = re.findall(r'^### (W\d+): ', text_of(path), re.M)
    assert [solution.summary.text for solution in folded] == [
        f'Solution {number}' for number in written + exercises]
    assert not any('open' in solution.attrs for solution in folded)
    assert all(len(solution.text) > 100 for solution in folded)
    assert not page.select('.toc-drawer a[href^="#solution-"]')


def test_code_leads_to_the_documentation(html):
    links = {}
    for name in '8-2-vgg', '8-5-batch-normalization':
        page = BeautifulSoup((html / f'chapters/{name}.html').read_text(),
                             'html.parser')
        links |= {link.text: link['href']
                  for link in page.select('a.documented')}
    at = 'https://docs.pytorch.org/docs/stable/'
    assert links['nn.Conv2d'] == f'{at}generated/torch.nn.Conv2d.html'
    assert links['d2l.Classifier'].endswith('#d2l.torch.Classifier')
    assert links['torch.testing.assert_close'] == (
        f'{at}testing.html#torch.testing.assert_close')


def test_all_names_that_are_linked_exist_in_their_packages():
    names = {name for path in CHAPTERS for name in find_documented(
        [cell.source for cell in nbformat.read(path, 4).cells[1:]
         if cell.cell_type == 'code'])}
    assert len(names) > 50
    for name in names:
        parts = name.split('.')
        found = importlib.import_module(parts[0])
        for i, part in enumerate(parts[1:], 2):
            if not hasattr(found, part):
                importlib.import_module('.'.join(parts[:i]))
            found = getattr(found, part)
        assert callable(found), name


DOT = '<span class="o">.</span>'


@pytest.mark.parametrize('code,linked', [
    (f'nn{DOT}Conv2d(1, 2)', ['torch.nn.Conv2d']),
    (f'nn{DOT}init{DOT}zeros_(x)', ['torch.nn.init.zeros_']),
    (f'nn{DOT}Conv2d, nn{DOT}Conv2d', ['torch.nn.Conv2d']),
    (f'nn{DOT}functional', []), (f'self{DOT}nn{DOT}Conv2d', []),
    (f'X{DOT}mean()', []), (f'torch{DOT}float64', [])])
def test_only_documented_names_are_linked(code, linked):
    cell = f'<div class="highlight-python notranslate"><pre>{code}</pre></div>'
    html = link_code(cell + code, {'torch': 'torch', 'nn': 'torch.nn'})
    assert re.findall(r'href="[^"]*/([\w.]+?)(?:\.html)?"',
                      html.replace('nn.init.html#', '')) == linked
    assert re.sub(r'</?a[^>]*>', '', html) == cell + code


def test_the_comparison_has_every_run_once_and_leads_to_the_chapters(html):
    page = BeautifulSoup((html / 'chapters/compare.html').read_text(),
                         'html.parser')
    table, others = page.select('.cell_output table')
    shown = 0
    for row in table.select('tbody tr'):
        record = next(r for r in load_records() if row.a['href'] == (
            f'{r["chapter"]}.html') and f'{r["model"]["parameters"] / 1e6:.2f}'
            in [cell.text for cell in row.select('td')])
        ends = [sum(epoch['val_acc'] for epoch in run['epochs'][-3:]) / 3
                for seed in (0, 1) for run in record['runs']
                if (run['seed'], run['device']) == (seed, 'NVIDIA H200')]
        assert row.select('td')[1].text == ' '.join(
            f'{end:.3f}' for end in ends)
        shown += len(ends)
    rows = others.select('tbody tr')
    runs = [run for record in load_records() for run in record['runs']]
    assert shown + len(rows) == len(runs)
    seconds = {f'{run["seconds"]:,.0f}' for run in runs}
    assert {row.select('td')[3].text for row in rows} <= seconds


def test_no_number_of_the_comparison_is_typed():
    text = text_of(ROOT / 'chapters' / 'compare.ipynb')
    text = re.sub(r'\[\d\.\d\]\([\w.-]+\)|ResNet-18|bf16|'
                  r'\*\*Figure \d\.\*\*', '', text)
    assert not re.search(r'\d', text), text
    number = re.compile(r'\b(two|three|four|five|six|seven|eight|nine|ten|'
                        r'twice|half|third|quarter|tenths?)\b', re.I)
    assert not number.search(text), number.search(text)
