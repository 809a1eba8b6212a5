"""The problems of one set of definitions: a list that does not grow without end."""

from __future__ import annotations

from stream.errors import Problem

MOST_PROBLEMS = 100
"""Nobody corrects more at once, and each looks for the name that may have been meant."""


class EnoughProblems(Exception):
    """The list is full: what is wrong beyond it is not looked for."""


class Problems(list[Problem]):
    """`append` raises EnoughProblems after the last that is told."""

    def append(self, problem: Problem) -> None:
        super().append(problem)
        if len(self) == MOST_PROBLEMS:
            hint = "put right what is named here, then check again"
            super().append(Problem(problem.place, f"only the first {MOST_PROBLEMS} problems are told", hint=hint))
            raise EnoughProblems
