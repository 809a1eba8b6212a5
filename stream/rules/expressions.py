"""An expression's text to an untyped tree in which every part knows its place in the file.

The parser is lark's LALR(1) with a contextual lexer; the grammar is `grammar.lark`. Length of a text and depth of its
tree are bounded, so that all that walks the tree may recurse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lark import Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from stream.errors import Place, Problem
from stream.rules.characters import hidden, open_brackets
from stream.rules.document import Written
from stream.rules.grammar import parser
from stream.rules.hints import hint_at, word_at

MAX_LENGTH = 4_000
"""Longer than any rule a person reads; the largest in practice have 300 characters."""

MAX_DEPTH = 40
"""Levels of a tree. People write 5; deeper parts can be named as facts."""

_CONNECTIVES = frozenset({"AND", "OR", "NOT", "WHERE", "WITHIN", "BY", "UNLESS", "BEFORE", "THEN", "WITHOUT"})
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|#[^\n]*')
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
        raise SyntaxProblem(_explain(written, text, error, start)) from None
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


def _explain(written: Written, text: str, error: UnexpectedInput, start: str) -> Problem:
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
    message, expected = "the expression breaks off here", _expected(error)
    if ended:
        opened = "a bracket stays open" if open_brackets(text) > 0 else None
        return Problem(place, message, "the end", expected, opened)
    word = word_at(text, offset)
    found = "a hidden character" if hidden(word) else f"`{word}`"
    return Problem(place, message, found, expected, hint_at(text, offset, start))


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
