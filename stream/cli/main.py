"""The command `segmenter`: one function per verb, errors as one clear message.

Exit codes: 0 well; 1 something is wrong with what was asked for (failed cases, a check that found problems, an unknown
customer, a broker that does not answer); 2 the command line itself; 3 definitions; 4 settings, or a file that can't be
read or written; 5 refused to start; 6 unreadable state; 7 verify could not read the topics, so nothing is proven.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from stream.cli.verbs import VERBS, Commands
from stream.errors import SegmenterError

_OUTPUT_FAILED = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))


class Group(TyperGroup):
    """The verbs, and the one place where errors become a message on standard error and an exit code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands()

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """Each verb with its line, none of them loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SegmenterError as error:
            typer.echo(str(error), err=True)
            sys.exit(error.exit_code)
        except BrokenPipeError:
            # The reader of our output went away (`| head`): not an error of ours.
            _forget_output()
            sys.exit(0)
        except OSError as error:
            if error.errno not in _OUTPUT_FAILED:
                raise
            _forget_output()
            typer.echo(f"the output can't be written: {error.strerror}", err=True)
            sys.exit(1)


def _forget_output() -> None:
    """What is still buffered would fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    name="segmenter",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def segmenter() -> None:
    """Customer events in, segment changes out, exactly once."""


def main() -> None:
    """Entry of the console script."""
    app()
