"""Definitions files that want to run code, to fill the memory, or to take for ever."""

from __future__ import annotations

from collections.abc import Callable

HEAD = "definitions: 1\nname: hostile\n"
MIB = 1 << 20
FILL = 1 << 18
"""What takes time in proportion to its size is tried at a quarter of what is allowed."""


def segment(when: str, name: str = "s") -> str:
    """One segment; the condition as a single-quoted YAML text."""
    quoted = when.replace("'", "''")
    return f"{HEAD}segments:\n  {name}:\n    when: '{quoted}'\n"


def until(limit: int, line: Callable[[int], str]) -> str:
    """Lines 0, 1, 2 ... for as long as they fit into so many bytes."""
    lines: list[str] = []
    size = number = 0
    while size < limit:
        text = line(number)
        lines.append(text)
        size += len(text)
        number += 1
    return "".join(lines[:-1])


def _laughs() -> str:
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip("abcdefghij", "bcdefghijk", strict=True):
        text += f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    return HEAD + text


def _doubling_facts() -> str:
    lines = ["  f0: count(any) + count(page)\n"]
    lines += [f"  f{number}: f{number - 1} + f{number - 1}\n" for number in range(1, 60)]
    return HEAD + "facts:\n" + "".join(lines) + "segments:\n  s:\n    when: f59 > 1\n"


def _chain_of_facts(length: int) -> str:
    lines = ["  f0: count(any)\n", *(f"  f{number}: f{number - 1} + 1\n" for number in range(1, length))]
    return HEAD + "facts:\n" + "".join(lines) + f"segments:\n  s:\n    when: f{length - 1} > 1\n"


def _large_fact_used_everywhere() -> str:
    large = "  f0: count(any where " + " and ".join(f"a{n} == 1" for n in range(250)) + ")\n"
    large += "".join(f"  f{n}: f{n - 1} + f{n - 1}\n" for n in range(1, 3))
    return HEAD + "facts:\n" + large + "".join(f"  g{n}: f2 + {n}\n" for n in range(4_900))


def _chain_of_segments() -> str:
    first = "  s0: {when: count(any) > 1}\n"
    return HEAD + "segments:\n" + first + until(FILL, lambda n: f"  s{n + 1}: {{when: 'in(\"s{n}\")'}}\n")


def _stages(conditions: Callable[[int], str], count: int = 60) -> str:
    stages = "".join(f"      - s{number}: {conditions(number)}\n" for number in range(count))
    return f"{HEAD}dimensions:\n  d:\n    stages:\n{stages}      - rest: otherwise\n"


def _overlapping_stages() -> str:
    return _stages(lambda n: " and ".join(f"count(any) != {k} and count(any) < {n * 97 + k + 9}" for k in range(75)))


def _bounds_of_one_value() -> str:
    """Each stage takes what hardly any other leaves: every point must be tried against every stage."""
    return _stages(lambda n: " and ".join(f"sum(any.a) > {n * 90 + k}.5" for k in range(160)))


def _entangled_stages() -> str:
    """Stages whose bounds fail late, at the last of many."""
    return _stages(
        lambda n: " and ".join(f"sum(any.a) > {n}.{k}" for k in range(1, 150)) + f" and sum(any.a) < {n + 1}"
    )


def _cases(rows: int) -> str:
    given = "".join(f"      - {{at: {number}s, page: x}}\n" for number in range(rows))
    return (
        segment("silent(page, 1s)")
        + f"cases:\n  - name: many\n    given:\n{given}    expect:\n      - {{at: 36600d, in: s}}\n"
    )


def _segments(when: Callable[[int], str], count: int) -> str:
    return HEAD + "segments:\n" + "".join(f"  s{number}: {{when: '{when(number)}'}}\n" for number in range(count))


def _unknown_names() -> str:
    """Each is looked for among all that are known."""
    events = "".join(f"  event_{number}: E\n" for number in range(5_000))
    return f"{HEAD}events:\n{events}facts:\n" + "".join(f"  fact_{n}: count(evnt_{n})\n" for n in range(5_000))


def _unknown_traits() -> str:
    traits = "".join(f"  trait_{number}: text\n" for number in range(5_000))
    asked = ("  f{}: {}\n".format(n, " and ".join(f"traits.triat_{n}_{k} == 1" for k in range(150))) for n in range(50))
    return f"{HEAD}traits:\n{traits}facts:\n" + "".join(asked)


CODE: dict[str, str] = {
    "a Python tag": HEAD + "facts: !!python/object/apply:os.system ['touch /tmp/hostile-was-here']\n",
    "a Python tag on a key": HEAD + "!!python/name:os.system : x\n",
    "a module tag": HEAD + "facts: {a: !!python/module:os ''}\n",
    "an import": segment('__import__("os").system("touch /tmp/hostile-was-here")'),
    "a call of eval": segment('eval("1")'),
    "a call of open": segment('open("/etc/passwd")'),
    "an attribute of a class": segment("traits.__class__.__mro__ == 1"),
    "an attribute of a value": segment('"".__class__.__base__ == 1'),
    "a lambda": segment("(lambda: 1)() == 1"),
    "a comprehension": segment("[x for x in [1]] == 1"),
    "a subscript": segment("traits[0] == 1"),
    "a format string": segment('traits.a == f"{1}"'),
    "a walrus": segment("(a := 1) == 1"),
    "a power": segment("9 ** 9 ** 9 > 1"),
    "a shift": segment("1 << 99999999 > 1"),
    "a name that leaves the generated code": HEAD + "facts:\n  'x):\\n import os#': count(any)\n",
    "a name that is Python": HEAD + "facts:\n  __import__: count(any)\n",
    "a zone that is a path": HEAD + "zone: ../../../../etc/passwd\nfacts: {a: count(any)}\n",
    "a regular expression": segment('traits.a matches "(a+)+$"'),
}
"""None of them may do anything; all are refused."""

TEXTS: dict[str, str] = {
    "an event's name": f"""{HEAD}events: {{e: '"); import os; ("'}}\nsegments:\n  s: {{when: count(e) > 0}}\n""",
    "a format string as a name": segment('count("{0.__class__} %s %(x)s ${jndi:x}") > 0'),
    "a property's name": segment("count(any where properties.'x]; raise SystemExit #' == 1) > 0"),
    "a line break": HEAD + 'events: {e: "a\\n    raise SystemExit\\n"}\nsegments:\n  s: {when: count(e) > 0}\n',
    "three quotes": segment("""count('\"\"\"') > 0 and count("x") > 0"""),
    "a backslash": segment('count("\\\\") > 0'),
    "names of Python": HEAD + "traits: {__class__: text}\nsegments:\n  s: {when: 'traits.__class__ == \"x\"'}\n",
}
"""User texts that would be code if they reached the generated source: accepted or refused, and nothing happens."""

BOMBS: dict[str, Callable[[], str]] = {
    "a billion laughs": _laughs,
    "an alias of itself": lambda: HEAD + "facts: &a {x: *a}\n",
    "a merge key": lambda: HEAD + "a: &a {x: 1}\nfacts: {<<: *a}\n",
    "lists without end": lambda: HEAD + "facts: " + "[" * (MIB - 100),
    "mappings without end": lambda: HEAD + "facts: " + "{a: " * (MIB // 4 - 100),
    "a staircase": lambda: HEAD + until(FILL, lambda n: " " * n + f"k{n}:\n"),
    "dashes without end": lambda: HEAD + "cases:\n" + "- " * (MIB // 2 - 100),
    "questions without end": lambda: HEAD + "? " * (MIB // 2 - 100),
    "anchors without end": lambda: HEAD + "cases:\n" + until(FILL, lambda n: f"- &a{n} x\n"),
    "one key over and over": lambda: HEAD + until(FILL, lambda _: "facts: {}\n"),
    "keys that nobody knows": lambda: HEAD + until(FILL, lambda n: f"unknown{n}: 1\n"),
    "documents without end": lambda: (HEAD + "---\n") * 20_000,
    "blanks in quotes": lambda: f'{HEAD}facts: {{a: "{" " * (MIB - 200)}x"}}\n',
    "blanks and breaks in quotes": lambda: f'{HEAD}facts:\n  a: "{("  " * 200 + "x") * 2_000}"\n',
    "quotes before an error": lambda: HEAD + "a: " + "- '" * 300_000 + "'\n",
    "colons before an error": lambda: HEAD + 'a: "b"' + ': "' * 200_000 + " " * 100_000 + ": x\n",
    "a text of a mebibyte": lambda: segment('traits.a == "' + "x" * (MIB - 200) + '"'),
    "a name of a mebibyte": lambda: f"{HEAD}facts:\n  ? {'x' * (MIB - 200)}\n  : count(any)\n",
    "a number of a mebibyte": lambda: segment("count(any) > " + "9" * (MIB - 200)),
    "a number of 3,900 digits": lambda: segment("count(any) > " + "9" * 3_900),
    "3,900 decimals": lambda: segment("count(any) > 0." + "1" * 3_900),
    "a duration of 3,900 digits": lambda: segment("count(any, " + "9" * 3_900 + "d) > 1"),
    "an exponent": lambda: segment("count(any) > 1e999999999"),
    "an exponent as a share": lambda: segment("count(any) > 1") + "    control_group: 1e999999999%\n",
    "brackets without end": lambda: segment("(" * 3_000),
    "brackets to the limit": lambda: segment("(" * 39 + "count(any)" + ")" * 39 + " > 1"),
    "nots without end": lambda: segment("not " * 900 + "count(any) > 1"),
    "minuses without end": lambda: segment("-" * 3_000 + "1 > 1"),
    "ifs within ifs": lambda: segment("if(count(any) > 1, " * 39 + "1" + ", 0)" * 39 + " > 0"),
    "a comparison of everything": lambda: segment(" < ".join(["count(any)"] * 300)),
    "quotes that never close": lambda: segment('"' * 1_999 + "x"),
    "a comment of backslashes": lambda: segment('"' + "\\" * 3_900),
    "facts that double": _doubling_facts,
    "a chain of facts": lambda: _chain_of_facts(5_000),
    "a chain of facts to the limit": lambda: _chain_of_facts(118),
    "a large fact used everywhere": _large_fact_used_everywhere,
    "a circle of segments": lambda: (
        HEAD + "segments:\n" + "".join(f"  s{n}: {{when: 'in(\"s{(n + 1) % 2_000}\")'}}\n" for n in range(2_000))
    ),
    "a chain of segments": _chain_of_segments,
    "segments without end": lambda: (
        HEAD + "segments:\n" + until(FILL, lambda n: f"  s{n}: {{when: count(any) > {n}}}\n")
    ),
    "segments over different events": lambda: (
        HEAD + "segments:\n" + until(FILL, lambda n: f"  s{n}: {{when: 'last(\"e{n}\") > ago(1d)'}}\n")
    ),
    "events without end": lambda: HEAD + "events:\n" + until(FILL, lambda n: f"  e{n}: E{n}\n"),
    "unknown names without end": _unknown_names,
    "unknown traits without end": _unknown_traits,
    "as many segments as there may be": lambda: _segments(lambda n: f'last("e{n}") > ago(1d)', 1_000),
    "a chain of 500 segments": lambda: _segments(lambda n: f'in("s{n - 1}")' if n else "count(any) > 1", 500),
    "stages without end": lambda: _stages(lambda n: f"count(any) == {n}", 20_000),
    "stages that overlap": _overlapping_stages,
    "stages of one value": _bounds_of_one_value,
    "entangled stages": _entangled_stages,
    "a case of many rows": lambda: _cases(999),
    "a case of too many rows": lambda: _cases(5_000),
    "cases without end": lambda: (
        segment("count(any) > 1")
        + "cases:\n"
        + until(FILL, lambda n: f"  - {{name: c{n}, expect: [{{at: 36600d, not_in: s}}]}}\n")
    ),
    "a long list": lambda: segment("traits.a in [" + ", ".join('"x"' for _ in range(900)) + "]"),
    "control characters": lambda: HEAD + "facts: \x00\x1b\n",
    "surrogates": lambda: HEAD + 'facts: {"\\ud800": "\\udfff"}\n',
    "an escape beyond Unicode": lambda: HEAD + 'facts: {"\\UFFFFFFFF": x}\n',
}
