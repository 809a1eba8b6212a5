"""Type rules of the operators, as tables. ANY goes with everything: what it is shows only on an event."""

from __future__ import annotations

from stream.rules.tree import Type

_N, _D, _I, _A = Type.NUMBER, Type.DURATION, Type.INSTANT, Type.ANY

ARITHMETIC: dict[tuple[str, Type, Type], Type] = {
    ("+", _N, _N): _N, ("-", _N, _N): _N, ("*", _N, _N): _N, ("/", _N, _N): _N,
    ("+", _D, _D): _D, ("-", _D, _D): _D, ("*", _D, _N): _D, ("*", _N, _D): _D, ("/", _D, _N): _D, ("/", _D, _D): _N,
    ("-", _I, _I): _D, ("+", _I, _D): _I, ("-", _I, _D): _I, ("+", _D, _I): _I,
    ("+", _A, _N): _N, ("+", _N, _A): _N, ("-", _A, _N): _N, ("-", _N, _A): _N,
    ("*", _A, _N): _A, ("*", _N, _A): _A, ("/", _A, _N): _A, ("/", _N, _A): _N,
    ("+", _A, _D): _A, ("+", _D, _A): _A, ("-", _A, _D): _A, ("-", _D, _A): _D,
    ("*", _A, _D): _D, ("*", _D, _A): _D, ("/", _A, _D): _N, ("/", _D, _A): _A,
    ("+", _A, _I): _I, ("+", _I, _A): _I, ("-", _A, _I): _D, ("-", _I, _A): _A,
    ("+", _A, _A): _A, ("-", _A, _A): _A, ("*", _A, _A): _A, ("/", _A, _A): _A,
}  # fmt: skip
"""(operator, left, right) -> result; what is missing is refused."""

ORDERED = frozenset({Type.NUMBER, Type.DURATION, Type.INSTANT, Type.ANY})


def same_kind(left: Type, right: Type) -> bool:
    """Whether two values can be equal at all."""
    return left is right or Type.ANY in (left, right) or Type.NULL in (left, right)


def common(left: Type, right: Type) -> Type | None:
    """The type of a value that is one or the other; None when they don't go together."""
    if left is right or right is Type.NULL:
        return left
    if left is Type.NULL:
        return right
    return Type.ANY if Type.ANY in (left, right) else None
