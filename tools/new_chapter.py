"""Begin a chapter that keeps the contract, and enter it in _toc.yml.

    python tools/new_chapter.py 8-7 'DenseNet'
"""
import re
import sys
from pathlib import Path

from nbformat import v4, write

from colab import FOLDED
from refresh import refresh

ROOT = Path(__file__).parent.parent
OPENING = '''# {number} {title}

What the chapter is about, in two sentences.

After this chapter you can

- do one thing;
- explain another.

> **Cost.** Seconds on a laptop CPU; no GPU, no download; less than 1 GB of
> memory.'''
ENDING = '''## Summary

What to remember.

## Exercises

1. Something to try.'''
SOLUTIONS = '## Solutions\n\nUnfold one when you have tried.'
SOLUTION = '### Solution 1\n\nWhat one finds, and why.'
READING = '## Further reading\n\n- Author, year: the paper.'


def new_chapter(number, title, root=ROOT):
    """Write chapter '8-7' and give its path.

    Raises SystemExit, and writes nothing, where the number is taken or is
    none, the title is empty, or _toc.yml has no part for the chapter.
    """
    slug = re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')
    if not re.fullmatch(r'\d-\d+', number) or not slug:
        sys.exit('Say the number and the title of the chapter: '
                 'make new CHAPTER=8-7 TITLE="DenseNet"')
    taken = list((root / 'chapters').glob(f'{number}-*.ipynb'))
    if taken:
        sys.exit(f'{number} is taken by {taken[0].name}: choose another.')
    path = root / 'chapters' / f'{number}-{slug}.ipynb'
    contents = _with_entry((root / '_toc.yml').read_text(), path.stem)
    cells = [v4.new_markdown_cell(OPENING.format(
                 number=number.replace('-', '.'), title=title.strip())),
             v4.new_code_cell('import torch'),
             v4.new_markdown_cell('## The idea\n\nLook at what is printed:'),
             v4.new_code_cell('torch.arange(3)'),
             v4.new_markdown_cell(ENDING), v4.new_markdown_cell(
                 SOLUTIONS, metadata={FOLDED: True}),
             v4.new_markdown_cell(SOLUTION), v4.new_markdown_cell(READING)]
    write(v4.new_notebook(cells=cells), path)
    try:
        refresh(path)
    except BaseException:
        path.unlink()
        raise
    (root / '_toc.yml').write_text(contents)
    return path


def _with_entry(contents, stem):
    """The text of _toc.yml with a chapter behind the others of its part."""
    lines = contents.split('\n')
    same = [i for i, line in enumerate(lines)
            if f'chapters/{stem[0]}-' in line]
    if not same:
        sys.exit(f'_toc.yml has no part {stem[0]} yet: add one with its first '
                 f'chapter by hand.')
    key = [int(part) for part in stem.split('-')[:2]]
    before = [i for i in same if [int(part) for part in re.search(
        r'(\d+)-(\d+)', lines[i]).groups()] < key]
    at = before[-1] + 1 if before else same[0]
    lines.insert(at, f'      - file: chapters/{stem}')
    return '\n'.join(lines)


if __name__ == '__main__':
    path = new_chapter(*(sys.argv[1:] + ['', ''])[:2])
    print(f'{path.name} is there and in _toc.yml: write it, then list it in '
          f'index.md.')
