"""Is a function that a reader wrote right, and if not, what is wrong?

`check` judges it by what it gives for a few arguments. Each exercise knows
some mistakes as functions: an answer that agrees with one of them everywhere
made this mistake. Exercises are lists of `Exercise` in the modules
`exercises_7` and `exercises_8`, which are imported when they are asked for.
"""
import contextlib
import copy
import ctypes
import importlib
import inspect
import io
import math
import numbers
import re
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import torch

from helpers.pictures import show_matrices

UNWRITTEN = 'not written yet.'
NEAR = {'rtol': 1e-4, 'atol': 1e-4}  # what rounding may change
LIMIT = 5  # seconds for all calls of a function
WIDTH = 76  # characters of a line
LARGEST = 12  # rows and columns of a matrix that is shown
shown_hints = {}  # how many hints of an exercise the reader has seen


@dataclass
class Exercise:
    """A function to write.

    `solution` gives the names of the arguments and, for each tuple of
    `inputs`, the right result: a number, a tensor, or a tuple of them.
    `mistakes` has a sentence for each known wrong function. `results` names
    the parts of a result that is a tuple.
    """
    solution: Callable
    inputs: list
    mistakes: dict
    hints: tuple
    better: str
    results: tuple = ()

    @property
    def arguments(self):
        """The names of the arguments."""
        return [*inspect.signature(self.solution).parameters]


@dataclass
class Verdict:
    """What `judge` says of a function.

    `case` is the number of the input on which a wrong result shows, and
    `given` is that result. `hint` says whether a hint helps.
    """
    text: str
    right: bool = False
    hint: bool = True
    case: int | None = None
    given: object = None


def check(chapter, number, function):
    """Say whether a function solves exercise W`number` of a chapter.

    Of a wrong one say what is wrong, on which input, and give one hint more
    with each call. The arguments of that input are then in
    `check.arguments`. The generator of random numbers stays as it is.
    """
    chapter, number = _key(chapter, number)
    exercise = find(chapter, number)
    if isinstance(exercise, str):
        print(exercise)
        return
    with torch.random.fork_rng(devices=[]):
        verdict = judge(exercise, function)
    name = f'Exercise W{number} of {chapter}'
    if verdict.right:
        shown_hints.pop((chapter, number), None)
        print(_wrapped(f'{name}: right for all {len(exercise.inputs)} inputs.'
                       ))
        print(_wrapped(f'Another way: {exercise.better}'))
        return
    print(_wrapped(f'{name}: {verdict.text}' if verdict.text == UNWRITTEN else
                   f'{name}: not right yet. {verdict.text}'))
    pictures = []
    if verdict.case is not None:
        check.arguments = _copy(exercise.inputs[verdict.case])
        pictures = _tell_difference(exercise, verdict)
    if verdict.hint:
        seen = min(shown_hints.get((chapter, number), 0) + 1,
                   len(exercise.hints))
        shown_hints[chapter, number] = seen
        print(_wrapped(f'Hint {seen} of {len(exercise.hints)}: '
                       f'{exercise.hints[seen - 1]}'))
    if pictures:
        show_matrices(**pictures)


def find(chapter, number):
    """An exercise such as '7.3', 2, or a sentence that says there is none."""
    try:
        module = importlib.import_module(
            f'helpers.exercises_{chapter.partition(".")[0]}')
        there = module.EXERCISES[chapter]
    except (ImportError, KeyError):
        return (f'There is no chapter {chapter} with exercises to write: say '
                f"the chapter as in check('7.3', 1, my_function).")
    if number not in range(1, len(there) + 1):
        return (f'There is no exercise W{number} in {chapter}: it has W1 to '
                f'W{len(there)}.')
    return there[number - 1]


def judge(exercise, function, limit=None):
    """The verdict on a function, without a word of it printed."""
    if not callable(function):
        return Verdict(f'This is {_kind(function)} and no function. Give '
                       f'check the function itself, without brackets after '
                       f'its name.', hint=False)
    if _is_empty(function):
        return Verdict(UNWRITTEN)
    try:
        inspect.signature(function).bind(*exercise.arguments)
    except TypeError:
        takes = ', '.join(inspect.signature(function).parameters)
        return Verdict(f'Your function takes the arguments ({takes}) and has '
                       f'to take ({", ".join(exercise.arguments)}).',
                       hint=False)
    except ValueError:  # some functions written in C have no signature
        pass
    run = _Run(function, exercise.inputs)
    run.start(LIMIT if limit is None else limit)
    return _fault(exercise, run) or _difference(exercise, run)


class _Run:
    """The results of a function for some inputs, as far as it came.

    `printed` is what it printed, `error` what it raised, `changed` the name
    of an argument that it changed; `ended` is false if it was stopped.
    """
    def __init__(self, function, inputs):
        self.function, self.inputs = function, inputs
        self.results, self.printed = [], _Beginning()
        self.error = self.changed = None
        self.ended = False

    def start(self, limit):
        """Call the function in a thread, which can be left on any system."""
        thread = threading.Thread(target=self._work, daemon=True)
        with contextlib.redirect_stdout(self.printed):
            thread.start()
            try:
                thread.join(limit)
            finally:
                for _ in range(20):  # a bare except may catch the first ones
                    if not thread.is_alive():
                        break
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(thread.ident),
                        ctypes.py_object(_Stop))
                    thread.join(0.05)

    def _work(self):
        try:
            for given in self.inputs:
                args = _copy(given)
                result = _copy(self.function(*args))
                if not _agree(given, args):
                    self.changed = next(i for i, pair in enumerate(
                        zip(given, args)) if not _agree(*pair))
                    break
                self.results.append(result)
            self.ended = True
        except _Stop:
            pass
        except BaseException as error:  # whatever a reader's code may raise
            self.error, self.ended = error, True


class _Stop(SystemExit):
    """Ends a function that runs too long; threads end silently by it."""


class _Beginning(io.StringIO):
    """Keeps the beginning of what is printed."""
    def write(self, text):
        super().write(text[:max(500 - self.tell(), 0)])
        return len(text)


def _fault(exercise, run):
    """The verdict on a function that does something it must not, or None."""
    case = len(run.results)
    if not run.ended:
        return Verdict(f'Your function does not end; it was stopped after '
                       f'some seconds on {_said(exercise, case)}.')
    line = _line(run)
    if (isinstance(run.error, NotImplementedError)
            and 'raise NotImplementedError' in line):
        return Verdict(UNWRITTEN)
    if run.error is not None:
        words = ' '.join(_text(run.error).split())
        return Verdict(f'Your function raises {type(run.error).__name__}'
                       f'{": " * bool(words)}{words[:300]}'
                       f'{line}, on {_said(exercise, case)}.')
    if run.changed is not None:
        return Verdict(f'Your function changes its argument '
                       f'{exercise.arguments[run.changed]}. Work on a copy, '
                       f'such as {exercise.arguments[run.changed]}.clone().')
    printed = run.printed.getvalue().strip().split('\n')[0][:60]
    if all(result is None for result in run.results):
        return Verdict(
            f'Your function prints its result ("{printed}") and returns '
            f'nothing. Write return in place of print.' if printed else
            'Your function returns None. Does it end with a return?')
    if printed and _all_agree(exercise.solution, exercise, run):
        return Verdict(f'Its results are right, but it also prints '
                       f'("{printed}"). Take the print out.', hint=False)


def _difference(exercise, run):
    """The verdict on a function by its results."""
    right = [exercise.solution(*_copy(args)) for args in exercise.inputs]
    wrong = [i for i, pair in enumerate(zip(right, run.results))
             if not _agree(*pair)]
    if not wrong:
        return Verdict('', right=True)
    # The first input on which a reader sees the difference: 8 is 8.0, too.
    case = min(wrong, key=lambda i: 'tensor' not in _digits(right[i]) and (
        _digits(right[i]) == _digits(run.results[i]).replace('.0', '')))
    given = run.results[case]
    for sentence, mistake in exercise.mistakes.items():
        if _all_agree(mistake, exercise, run):
            return Verdict(sentence, case=case, given=given)
    return Verdict(_other_form(right[case], given)
                   or '', case=case, given=given)


def _all_agree(function, exercise, run):
    return all(_agree(function(*_copy(args)), result)
               for args, result in zip(exercise.inputs, run.results))


def _agree(expected, given):
    """Whether two results are equal, whole numbers to the last digit."""
    if isinstance(expected, torch.Tensor):
        return (_has_numbers(given) and expected.shape == given.shape
                and torch.allclose(expected.double(), given.double(), **NEAR,
                                   equal_nan=True))
    if isinstance(expected, (tuple, list)):
        return (isinstance(given, (tuple, list))
                and len(expected) == len(given)
                and all(map(_agree, expected, given)))
    if not isinstance(expected, numbers.Real) or isinstance(expected, bool):
        return expected == given
    given = _number(given)
    if given is None or isinstance(given, bool):
        return False
    if isinstance(expected, int):
        return isinstance(given, int) and expected == given
    return (math.isclose(expected, given, rel_tol=1e-4, abs_tol=1e-6)
            or math.isnan(expected) and math.isnan(given))


def _has_numbers(value):
    """Whether it is a tensor whose numbers can be compared."""
    return isinstance(value, torch.Tensor) and not (
        value.is_meta or value.is_complex() or value.layout != torch.strided)


def _number(value):
    """A Python number for a number of any kind; other things stay."""
    if isinstance(value, np.generic) or (
            _has_numbers(value) and not value.ndim):
        value = value.item()
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return value if isinstance(value, numbers.Real) else None


def _other_form(expected, given):
    """A sentence on a result that has another type or shape, or None."""
    if isinstance(expected, torch.Tensor):
        if not _has_numbers(given):
            return (f'Your function returns {_kind(given)} where a tensor of '
                    f'shape {tuple(expected.shape)} is expected.')
        if expected.shape != given.shape:
            return (f'Your function returns a tensor of shape '
                    f'{tuple(given.shape)} where the shape '
                    f'{tuple(expected.shape)} is expected.')
    elif isinstance(expected, tuple):
        if not isinstance(given, (tuple, list)) or (
                len(given) != len(expected)):
            return (f'Your function returns {_kind(given)} where a tuple of '
                    f'{len(expected)} is expected.')
        for one, other in zip(expected, given):
            if not _agree(one, other):
                return _other_form(one, other)
    elif isinstance(_number(given), bool) or _number(given) is None:
        return (f'Your function returns {_kind(given)} where a number is '
                f'expected.')
    elif isinstance(expected, int) and not isinstance(_number(given), int):
        return (f'Your function returns {_kind(given)} where a whole number '
                f'is expected, an int. Divide with //.')


def _kind(value):
    """What a value is, in words."""
    if value is None:
        return 'None'
    if isinstance(value, torch.Tensor) and not _has_numbers(value):
        return 'a tensor of another kind (meta, sparse or complex)'
    if isinstance(value, torch.Tensor) and value.ndim:
        return f'a tensor of shape {tuple(value.shape)}'
    if isinstance(_number(value), (int, float)):
        number = _number(value)
        return f'the {type(number).__name__} {_digits(number)}'
    if isinstance(value, (tuple, list)):
        return f'a {type(value).__name__} of {len(value)}'
    name = type(value).__name__
    return f'{"an" if name[0] in "aeiouAEIOU" else "a"} {name}'


def _is_empty(function):
    """Whether a function still is a stub: nothing but a docstring, or ...."""
    def documented():
        """Say nothing."""

    def bare():
        ...
    code = getattr(inspect.unwrap(function), '__code__', None)
    return code is not None and code.co_code in (
        documented.__code__.co_code, bare.__code__.co_code)


def _line(run):
    """Which line of the reader's function raised the error, with its text."""
    code = getattr(inspect.unwrap(run.function), '__code__', None)
    lines = [frame.line for frame in traceback.extract_tb(
                 run.error and run.error.__traceback__)
             if code and frame.filename == code.co_filename]
    return f', in the line "{lines[-1]}"' if lines and lines[-1] else ''


def _said(exercise, case):
    """The arguments of a case in one line; of tensors only the shape."""
    return ', '.join(
        f'{name} of shape {tuple(value.shape)}'
        if isinstance(value, torch.Tensor) else f'{name} = {_digits(value)}'
        for name, value in zip(exercise.arguments, exercise.inputs[case]))


def _tell_difference(exercise, verdict):
    """Print input, expected and given result; what to draw of them."""
    args = exercise.inputs[verdict.case]
    expected = exercise.solution(*_copy(args))
    given = verdict.given
    part = ''
    if isinstance(expected, tuple) and any(
            isinstance(value, torch.Tensor) for value in expected):
        if isinstance(given, (tuple, list)) and len(given) == len(expected):
            i = next(i for i, pair in enumerate(zip(expected, given))
                     if not _agree(*pair))
            part = f' {exercise.results[i]}'
            expected, given = expected[i], given[i]
    print('It shows on this input, which is kept in check.arguments:')
    blocks = [block for name, value in zip(exercise.arguments, args)
              for block in _blocks(name, value)]
    print('\n'.join(_side_by_side(blocks)) + '\n')
    place = _first_difference(expected, given)
    index = place[:-2] if place else ()
    at = f'[{", ".join(map(str, index))}]' if index else ''
    if index:
        expected, given = expected[index], given[index]
    blocks = [_block(f'expected{part}{at}', expected),
              _block(f'yours{part}{at}', given)]
    print('\n'.join(_side_by_side(blocks)) + '\n')
    if all(_is_drawn(value) for value in (expected, given)):
        mark = (*place[-2:], 1, 1) if place else None
        return {'matrices': [expected, given], 'marks': [mark, mark],
                'titles': [f'expected{part}{at}', f'yours{part}{at}']}
    return {}


def _first_difference(expected, given):
    """The index of the first number that differs between two tensors."""
    if not all(map(_has_numbers, (expected, given))) or (
            expected.shape != given.shape):
        return ()
    near = torch.isclose(expected.double(), given.double(), **NEAR,
                         equal_nan=True)
    return tuple((~near).nonzero()[0].tolist())


def _is_drawn(value):
    return (_has_numbers(value) and value.ndim == 2
            and 0 < value.numel() and max(value.shape) <= LARGEST
            and bool(value.isfinite().all()))


def _blocks(title, value):
    """Blocks that show an argument: a few matrices, or a few tensors."""
    if isinstance(value, list) and value and all(map(_has_numbers, value)):
        return [block for i, one in enumerate(value)
                for block in _blocks(f'{title}[{i}]', one)]
    if _has_numbers(value) and value.ndim > 2 and (
            0 < math.prod(value.shape[:-2]) <= 4):
        return [_block(f'{title}[{", ".join(map(str, index))}]', value[index])
                for index in np.ndindex(*value.shape[:-2])]
    return [_block(title, value)]


def _block(title, value):
    """The lines that show a value below its title."""
    if not isinstance(value, torch.Tensor):
        return [title, _digits(value)]
    if not _has_numbers(value):
        return [title, _kind(value)]
    if value.ndim > 2 or not value.numel() or max(
            value.shape, default=0) > LARGEST:
        return [title, f'shape {tuple(value.shape)}']
    rows = [[_in_table(number) for number in row]
            for row in value.detach().reshape(
                -1, value.shape[-1] if value.ndim else 1).tolist()]
    width = max(len(number) for row in rows for number in row)
    return [title] + [' '.join(number.rjust(width) for number in row)
                      for row in rows]


def _side_by_side(blocks):
    """Lines in which blocks of lines stand side by side, as far as they go."""
    lines, row = [], []
    for block in blocks + [None]:
        widths = [max(map(len, one)) for one in row]
        if block is None or (row and sum(widths) + 4 * len(widths) + max(
                map(len, block)) > WIDTH):
            for i in range(max(map(len, row), default=0)):
                lines.append('    '.join(
                    (one[i] if i < len(one) else '').ljust(width)
                    for one, width in zip(row, widths)).rstrip())
            row = []
        row.append(block)
    return lines


def _digits(value):
    """A number, or a tuple of numbers, as it is shown."""
    if isinstance(value, torch.Tensor) and value.ndim:
        return f'tensor of shape {tuple(value.shape)}'
    if isinstance(value, (tuple, list)):
        inside = ', '.join(map(_digits, value))
        return f'({inside})' if isinstance(value, tuple) else f'[{inside}]'
    number = _number(value)
    if isinstance(number, float):
        return f'{_in_table(number)}{".0" * number.is_integer()}'
    return _text(value if number is None else number)[:60]


def _in_table(number):
    """A number of a tensor, as it is shown among others."""
    whole = isinstance(number, float) and number.is_integer()
    return (f'{number:.0f}' if whole and abs(number) < 1e7
            else f'{number:.4g}' if isinstance(number, float)
            else str(number))


def _text(value):
    try:
        return str(value)
    except Exception:
        return type(value).__name__


def _copy(value):
    """A copy of arguments or of a result that later changes cannot reach."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().clone() if _has_numbers(
            value) else value
    if isinstance(value, (tuple, list)):
        return type(value)(map(_copy, value)) if type(value) in (
            tuple, list) else tuple(map(_copy, value))
    with contextlib.suppress(Exception):
        return copy.copy(value)
    return value


def _key(chapter, number):
    """'7.3' and 2, also from 7.3, '7-3' and 'W2'."""
    digits = re.fullmatch(r'[Ww]?(\d+)', str(number))
    return (str(chapter).replace('-', '.'),
            int(digits[1]) if digits else number)


def _wrapped(text):
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
