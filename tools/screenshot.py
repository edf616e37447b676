"""Take the README's pictures of the built book: desktop and phone."""
from pathlib import Path

from browser import chromium, served

ROOT = Path(__file__).parent.parent
PAGE = 'chapters/7-2-convolutions-for-images.html'

if __name__ == '__main__':
    with chromium() as browser, served(ROOT / '_build' / 'html') as address:
        for name, theme, width in (('desktop', 'light', 1280),
                                   ('phone', 'dark', 360)):
            page = browser.new_page(viewport={'width': width, 'height': 760},
                                    color_scheme=theme)
            page.goto(f'{address}/{PAGE}')
            page.screenshot(path=ROOT / '.github' / f'{name}.png')
