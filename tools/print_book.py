"""Print the whole book as one PDF, with contents, page numbers and links.

    python tools/print_book.py      writes _build/course.pdf
"""
import subprocess
import sys
from pathlib import Path

from pypdf import PdfReader

from browser import chromium

ROOT = Path(__file__).parent.parent
# A list of links to the chapters and their sections, each with an empty place
# for its page number. Gives the number of links.
ADD_CONTENTS = '''() => {
  const contents = document.createElement('nav');
  contents.className = 'book-contents';
  contents.innerHTML = '<h2>Contents</h2>';
  const titles = document.querySelectorAll(
    'article [id^="document-"] ~ section :is(h2, h3)');
  titles.forEach((title, i) => {
    title.id = `title-${i}`;
    const link = document.createElement('a');
    link.href = `#title-${i}`;
    link.className = title.localName;
    link.append(title.firstChild.textContent, document.createElement('b'));
    contents.append(link);
  });
  document.querySelector('article [id^="document-"]').before(contents);
  return titles.length;
}'''
FILL_CONTENTS = '''numbers => document.querySelectorAll(
  '.book-contents b').forEach((place, i) => {
    place.textContent = numbers[i];
  })'''
FOOTER = '''<div style="font-size: 8pt; width: 100%; text-align: center">
<span class="pageNumber"></span></div>'''


def print_book(page, path):
    """Print the page with the whole book, twice: the numbers come second."""
    def as_pdf():
        page.pdf(path=path, format='A4', outline=True, tagged=True,
                 display_header_footer=True, header_template='<div></div>',
                 footer_template=FOOTER, print_background=True,
                 margin={'top': '18mm', 'bottom': '18mm', 'left': '18mm',
                         'right': '18mm'})

    count = page.evaluate(ADD_CONTENTS)
    as_pdf()
    pdf = PdfReader(path)
    places = pdf.named_destinations
    page.evaluate(FILL_CONTENTS, [
        pdf.get_destination_page_number(places[f'/title-{i}']) + 1
        for i in range(count)])
    as_pdf()


if __name__ == '__main__':
    folder = ROOT / '_build'
    subprocess.run([Path(sys.executable).parent / 'jupyter-book', 'build', '.',
                    '-n', '-W', '--keep-going', '-q', '--builder',
                    'singlehtml'], cwd=ROOT, check=True)
    with chromium() as browser:
        page = browser.new_page(color_scheme='light')
        page.goto((folder / 'singlehtml' / 'index.html').as_uri())
        print_book(page, folder / 'course.pdf')
    print(f'The book is printed: {folder / "course.pdf"}')
