"""Outputs that may differ in their numbers, by no more than a tolerance.

A cell that carries {"tolerance": 0.02} in its metadata is checked by this
(conftest.py) and keeps its stored outputs by this (refresh.py).
"""
import math
import re
from decimal import Decimal

# A number that may differ, with the blanks that align it: it has decimals or
# an exponent, and is no part of a word or of a version.
NUMBER = re.compile(r'''
    (?P<blanks>\ *) (?<![\w.])
    (?P<value> [-+]? (?: (?:\d{1,3}(?:,\d{3})+|\d*) \.(?P<decimals>\d+)
                         (?:e[-+]?\d{1,3})?
                       | \d+e[-+]?\d{1,3} ))
    (?! \w | \.\d)''', re.X | re.I)


def numbers(text):
    """The numbers of a text that may differ, as Decimals."""
    return [_value(match) for match in NUMBER.finditer(text)]


def texts_differ_by(stored, new):
    """The largest difference between the numbers of two texts.

    It is absolute, in the units of the text: of 71.5% and 71.6% it is 0.1.
    Only numbers with decimals or an exponent may differ. Whole numbers (of
    epochs, shapes, images), nan, inf, words and versions must be equal, and
    so must the count of decimals and the width of columns: if anything but
    the numbers differs, the answer is infinity.
    """
    if _words(stored) != _words(new):
        return math.inf
    pairs = list(zip(NUMBER.finditer(stored), NUMBER.finditer(new)))
    if not all(len(a['blanks']) == len(b['blanks']) or len(a[0]) == len(b[0])
               for a, b in pairs):
        return math.inf
    return float(max((abs(_value(a) - _value(b)) for a, b in pairs),
                     default=0))


def outputs_differ_by(stored, new):
    """The same for the outputs of a cell: text printed, and text/plain.

    Figures are not compared. Infinity if the outputs are others in number,
    in kind, or in text of another form.
    """
    if list(map(_kind, stored)) != list(map(_kind, new)):
        return math.inf
    return max((texts_differ_by(text_of(a), text_of(b))
                for a, b in zip(stored, new)), default=0.0)


def text_of(output):
    """What an output prints, or shows as plain text."""
    return output.get('text', output.get('data', {}).get('text/plain', ''))


def _value(match):
    return Decimal(match['value'].replace(',', ''))


def _words(text):
    """A text with the form of each number in place of the number."""
    return NUMBER.sub(lambda match: '\0{}{}'.format(
        len(match['decimals'] or ''), 'e' in match['value'].lower()), text)


def _kind(output):
    data = output.get('data', {})
    return (output.output_type, output.get('name'), sorted(data),
            {kind: value for kind, value in data.items()
             if kind not in ('text/plain', 'image/png')})
