"""Beginning a chapter: what is written keeps the contract."""
import shutil

import pytest

from conftest import ROOT
from contract import faults
from new_chapter import new_chapter


@pytest.fixture
def course(tmp_path):
    (tmp_path / 'chapters').mkdir()
    (tmp_path / 'chapters' / '8-6-resnet.ipynb').touch()
    shutil.copy(ROOT / '_toc.yml', tmp_path)
    return tmp_path


def test_a_new_chapter_keeps_the_contract_and_is_in_the_contents(course):
    path = new_chapter('8-7', 'Dense networks, & more', course)
    assert path.name == '8-7-dense-networks-more.ipynb'
    assert not faults(path)
    contents = (course / '_toc.yml').read_text()
    assert ('      - file: chapters/8-6-resnet\n'
            '      - file: chapters/8-7-dense-networks-more\n') in contents
    assert not faults(new_chapter('8-10', 'Later', course))
    new_chapter('8-0', 'First', course)
    entries = [line.split('/')[1] for line in
               (course / '_toc.yml').read_text().split('\n') if '/8-' in line]
    assert entries == ['8-0-first', '8-1-alexnet', '8-2-vgg', '8-3-nin',
                       '8-4-googlenet', '8-5-batch-normalization',
                       '8-6-resnet', '8-7-dense-networks-more', '8-10-later']


@pytest.mark.parametrize('number,title,message', [
    ('', '', 'Say the number and the title'),
    ('8-7', ' ', 'Say the number and the title'),
    ('8-7', '深い', 'Say the number and the title'),
    ('../8-7', 'A title', 'Say the number and the title'),
    ('8-6', 'Again', '8-6 is taken by 8-6-resnet.ipynb'),
    ('9-1', 'A title', '_toc.yml has no part 9 yet')])
def test_a_mistake_is_one_sentence_and_writes_nothing(course, number, title,
                                                      message):
    before = (course / '_toc.yml').read_text()
    with pytest.raises(SystemExit, match=message):
        new_chapter(number, title, course)
    assert (course / '_toc.yml').read_text() == before
    assert len(list((course / 'chapters').iterdir())) == 1
