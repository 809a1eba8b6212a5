"""An expression's text to an untyped tree in which every part knows its place in the file.

The parser is lark's LALR(1) with a contextual lexer; the grammar is `grammar.lark`. Length of a text and depth of its
tree are bounded, so that all that walks the tree may recurse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lark import Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from stream.errors import Place, Problem
from stream.rules.document import Written, open_brackets
from stream.rules.functions import FUNCTIONS
from stream.rules.grammar import parser
from stream.rules.literals import DURATION, UNIT_ADVICE, UNIT_MS, unit_hint

MAX_LENGTH = 4_000
"""Longer than any rule a person reads; the largest in practice have 300 characters."""

MAX_DEPTH = 40
"""Levels of a tree. People write 5; deeper parts can be named as facts."""

_CONNECTIVES = frozenset({"AND", "OR", "NOT", "WHERE", "WITHIN", "BY", "UNLESS", "BEFORE", "THEN", "WITHOUT"})
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|#[^\n]*')
_FOUND_WORD = re.compile(r"[A-Za-z0-9_$.%]+|&&|\|\||===?|<>|[^\s]")
_LAST_WORD = re.compile(r"[A-Za-z0-9_.]+$")
_THOUSANDS = re.compile(r",[0-9]{3}(?![0-9])")
_UNIT_WORDS = {"millisecond": "ms", "second": "s", "sec": "s", "minute": "min", "hour": "h", "day": "d", "week": "w"}

_INSTEAD = {
    "=": "write `==` to compare",
    "===": "write `==` to compare",
    "<>": "write `!=`",
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`",
    "|": "write `or`",
    "!": "write `not`",
    "?": "write if(condition, a, b)",
    ";": "one expression per value",
    "is": "write `==`, also for null",
    "like": "write contains(text, part) or starts_with(text, part)",
    "matches": "there are no regular expressions: contains(text, part), starts_with(text, part)",
    "between": "write a <= x and x <= b",
    "where": "`where` belongs to the events inside a function: count(purchase where total > 100)",
    "before": "`before` is an argument after a window: count(purchase, 7d, before 7d)",
    "otherwise": "`otherwise` is the condition of a last stage, alone",
    "%": "a percentage is a number with %: 10%",
    "“": 'use straight quotes: "',
    "”": 'use straight quotes: "',
    "„": 'use straight quotes: "',
    "‘": 'use straight quotes: "',
    "’": 'use straight quotes: "',
}  # fmt: skip

_CLOSERS = {"RPAR": "`)`", "RSQB": "`]`", "COMMA": "`,`", "LPAR": "`(`", "DOT": "`.`", "$END": "the end"}
_VALUE_TERMINALS = frozenset({"NUMBER", "STRING", "NAME"})


@dataclass(frozen=True, slots=True)
class Syntax:
    """A node of the untyped tree.

    kind    a rule of the grammar (call, path, compare ...) or, for a token, its terminal in lower case
    value   the token's text (a string literal: what it means); "" for rules
    text    the source of the node, white space folded
    """

    kind: str
    parts: tuple[Syntax, ...]
    value: str
    place: Place
    text: str


class SyntaxProblem(Exception):
    """The text is no expression."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def parse(written: Written, start: str = "value") -> Syntax:
    """The tree of a text; `start` is value, stage (a condition or `otherwise`) or selector. Raises SyntaxProblem."""
    _check_size(written)
    text = _without_comments(written)
    if not text.strip():
        raise SyntaxProblem(Problem(written.place(0), "there is no expression here", "nothing", "an expression"))
    try:
        tree = parser().parse(text, start=start)
    except UnexpectedInput as error:
        raise SyntaxProblem(_explain(written, text, error)) from None
    _check_depth(tree, written)
    return _convert(tree, text, written).parts[0]


def _check_size(written: Written) -> None:
    if len(written.text) > MAX_LENGTH:
        found, expected = f"{len(written.text)} characters", f"at most {MAX_LENGTH}"
        hint = "name parts of it as facts"
        raise SyntaxProblem(Problem(written.place(0), "the expression is too long", found, expected, hint))
    depth = 0
    outside = _STRING_OR_COMMENT.sub(lambda match: " " * len(match.group()), written.text)
    for offset, character in enumerate(outside):
        depth += (character in "([") - (character in ")]")
        if depth > MAX_DEPTH:
            raise SyntaxProblem(_too_deep(written.place(offset)))


def _check_depth(tree: Tree[Token], written: Written) -> None:
    level: list[Tree[Token]] = [tree]
    for _ in range(MAX_DEPTH + 3):  # start rule, argument and step do not count
        level = [child for node in level for child in node.children if isinstance(child, Tree)]
        if not level:
            return
    offset = level[0].meta.start_pos if not level[0].meta.empty else 0
    raise SyntaxProblem(_too_deep(written.place(offset)))


def _too_deep(place: Place) -> Problem:
    expected = f"at most {MAX_DEPTH} levels"
    return Problem(place, "the expression is nested too deep", None, expected, "name parts as facts")


def _without_comments(written: Written) -> str:
    """Comments become spaces, so that offsets stay."""

    def replace(match: re.Match[str]) -> str:
        if not match.group().startswith("#"):
            return match.group()
        if written.comments:
            return " " * len(match.group())
        hint = "a comment inside an expression needs a block: `when: |`"
        raise SyntaxProblem(Problem(written.place(match.start()), "`#` means nothing here", "#", hint=hint))

    return _STRING_OR_COMMENT.sub(replace, written.text)


def _convert(tree: Tree[Token], text: str, written: Written) -> Syntax:
    parts: list[Syntax] = []
    for child in tree.children:
        if isinstance(child, Tree):
            parts.append(_convert(child, text, written))
        elif child.type not in _CONNECTIVES and not (child.type == "IN" and tree.data != "call"):
            parts.append(_token(child, written))
    if tree.meta.empty:
        return Syntax(str(tree.data), tuple(parts), "", written.place(0), "")
    start, end = tree.meta.start_pos, tree.meta.end_pos
    source = " ".join(text[start:end].split())
    return Syntax(str(tree.data), tuple(parts), "", written.place(start), source)


def _token(token: Token, written: Written) -> Syntax:
    value = str(token)
    if token.type == "STRING":
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return Syntax(token.type.lower(), (), value, written.place(token.start_pos or 0), str(token))


def _explain(written: Written, text: str, error: UnexpectedInput) -> Problem:
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    offset = len(text.rstrip()) if ended else int(error.pos_in_stream or 0)
    place = written.place(offset)
    if written.cut_by_comment and (ended or text[offset] in "\"'" or open_brackets(text) > 0):
        hint = "put the whole expression in quotes"
        return Problem(place, "YAML takes ` #` for a comment, so the expression ends here", text[-40:], hint=hint)
    if not ended and text[offset] in "\"'" and not _STRING_OR_COMMENT.match(text, offset):
        return Problem(place, "this text is not closed on its line", text[offset : offset + 40], "a closing quote")
    if not ended and text[offset] in "\"'" and isinstance(error, UnexpectedCharacters):
        hint = "in a text only the quote and the backslash are escaped"
        return Problem(place, "this text holds an unknown escape", text[offset : offset + 40], hint=hint)
    found = "the end" if ended else f"`{_word(text, offset)}`"
    return Problem(place, "the expression breaks off here", found, _expected(error), _hint(text, offset, ended))


def _word(text: str, offset: int) -> str:
    match = _FOUND_WORD.match(text, offset)
    return match.group()[:40] if match else text[offset : offset + 1]


def _expected(error: UnexpectedInput) -> str | None:
    names: set[str] = set()
    if isinstance(error, UnexpectedToken):
        names = set(error.accepts or error.expected)
    elif isinstance(error, UnexpectedCharacters):
        names = set(error.allowed or ())
    if names >= _VALUE_TERMINALS:
        return "a value"
    if names == {"LPAR", "LSQB", "NAME"} or names == {"IN", "LPAR", "LSQB", "NAME"}:
        return "a list or a path"
    if names <= {"NAME", "STRING"} and names:
        return "a name"
    said = [words for name, words in _CLOSERS.items() if name in names and name != "DOT"]
    if names & {"ADD", "AND", "ORDER"}:
        said.insert(0, "an operator")
    return " or ".join(said) or None


def _hint_behind(last: str, word: str, rest: str) -> str | None:
    """Advice when a function stands without brackets; when a unit, be it one of ours or an English word, or thousands
    stand apart from their number."""
    if last in FUNCTIONS:
        return f"as in {FUNCTIONS[last]}"
    if word == "ago" and DURATION.fullmatch(last):
        return f"write `ago({last})`"
    if not last.isdigit():
        return unit_hint(last + word)
    if _THOUSANDS.match(rest):
        return "numbers are written without separators"
    if word in UNIT_MS:
        return f"no space between number and unit: {last}{word}"
    unit = _UNIT_WORDS.get(word.removesuffix("s"))
    return f"write `{last}{unit}`" if unit else UNIT_ADVICE.get(word)


def _hint(text: str, offset: int, ended: bool) -> str | None:
    if ended:
        return "a bracket stays open" if open_brackets(text) > 0 else None
    word = _word(text, offset)
    lowered, before = word.lower(), text[:offset].rstrip()
    if DURATION.fullmatch(word):
        return f"a duration stands behind a comma: `, {word}`" if open_brackets(before) > 0 else None
    if unit := unit_hint(text[offset : offset + 40]):
        return unit
    if lowered in ("and", "or", "not", "in") and word != lowered:
        return f"write `{lowered}` in small letters"
    if text.startswith(("=>", "=<"), offset):
        return f"write `{text[offset + 1]}=`"
    if lowered in _INSTEAD:
        return _INSTEAD[lowered]
    if word == ")" and open_brackets(before) == 0:
        return "no bracket is open here"
    last = _LAST_WORD.search(before)
    if last is not None and (hint := _hint_behind(last.group(), lowered, text[offset:])):
        return hint
    if re.search(r"[A-Za-z0-9_]$", before) and re.match(r"[A-Za-z]", word):
        return 'event names of several words stand in quotes: "Order Completed"'
    return None
