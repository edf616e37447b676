"""Plain current English: what readers stumbled over does not come back."""
import re

import nbformat
import pytest

from conftest import ROOT

# Each with what to write instead.
INSTEAD = {
    r'\bin a hundred\b': 'a percentage, 15 %',
    r'\b(one|two|three|four|five|six|seven|nine|\d+) (tenths?|fifths?|'
    r'hundredths?|thousandths?)\b': 'a percentage, or points',
    r'\bhundredths?\b': 'percentage points',
    r'\bfirst weights\b': 'initial weights',
    r'\bnamed (right|wrong)': 'classified correctly, misclassified',
    r'\bby heart\b': 'memorize, overfit',
    r'\bstands? behind\b': 'come after',
    r'\b(kernels?|filters?|units?|layers?|maps?) answers?\b': 'respond',
    r'\bstrongest answer\b': 'strongest response',
    r'\bshut\b': 'dead, of a unit',
    r'\b(restless|kinder|dearer)\b': 'noisy, smaller, more expensive',
    r'(?<!as )\bsoon\b': 'quickly',
    r'\bone (label|map) an? \w+': 'one label per image',
    r'\bwhoever\b': 'if you',
    r'\bat a time when\b': 'when',
    r'\btaken? for an? (list|image)\b': 'treated as',
    r'\btakes? an image for\b': 'treats an image as',
    r'\bupright\b|\blies? flat\b': 'vertical, horizontal',
    r'\blies? on (each other|another)\b': 'overlap',
    r'\bgives? away\b': 'tells, is correlated with',
    r'\bunfairness\b': 'what exactly differs',
    r'\brefuses? the word\b': 'raises an error',
    r'\botherwise than\b': 'differently from',
    r'\bnext to no(thing)?\b': 'almost no',
    r'\bin exchange\b': 'but',
    r'\bgo away again\b': 'what happens instead',
    r'\bonly ever\b': 'can only',
    r'\bcan be missed\b|\bare missed\b': 'can be removed',
    r'\bbears? (a shift|shifts)\b': 'tolerate',
    r'\bturned? around\b': 'flip',
}


def prose(path):
    """The text of a page and of its alt texts."""
    if path.suffix == '.md':
        text = path.read_text()
    else:
        cells = nbformat.read(path, as_version=4).cells
        text = '\n\n'.join(
            cell.source if cell.cell_type == 'markdown' else
            cell.metadata.get('mystnb', {}).get('image', {}).get('alt', '')
            for cell in cells)
    return text


def stumbles(text):
    """Each phrase that readers stumbled over, with what to write instead."""
    text = re.sub(r'```\w.*?```|`[^`]*`|\$[^$]*\$', ' ', text, flags=re.S)
    text = ' '.join(re.sub(r'^> ?', '', text, flags=re.M).split())
    return [f'"{text[max(match.start() - 30, 0):match.end() + 20]}": write '
            f'{instead}' for pattern, instead in INSTEAD.items()
            for match in re.finditer(pattern, text, re.I)]


@pytest.mark.parametrize('path', [
    *sorted((ROOT / 'chapters').glob('*.ipynb')),
    *(ROOT / f'{name}.md' for name in (
        'README', 'CONTRIBUTING', 'index', 'glossary', 'errata'))],
    ids=lambda path: path.stem)
def test_a_page_is_in_plain_english(path):
    assert not stumbles(prose(path))


def test_a_phrase_is_found_in_prose_and_not_in_code():
    assert len(stumbles('Fifteen in a hundred are named\nwrong.')) == 2
    assert not stumbles('`first weights` and 15 % of the initial weights')
