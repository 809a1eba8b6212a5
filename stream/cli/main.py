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

from stream.cli import (
    capacity,
    check,
    config,
    demo,
    doctor,
    explain,
    hold,
    new,
    plan,
    replay,
    state,
    status,
    test,
    topics,
    transactions,
    verify,
    worker,
)
from stream.errors import SegmenterError

_OUTPUT_FAILED = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))


class Commands(TyperGroup):
    """The verbs, and the one place where errors become a message on standard error and an exit code."""

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
    cls=Commands,
    help="Customer events in, segment changes out, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(short_help="Read customer events, write segment changes.")(worker.worker)
app.command(short_help="See it work: a small shop within a minute.")(demo.demo)
app.command(short_help="Validate definitions, and warn.")(check.check)
app.command(short_help="Run the definitions' cases.")(test.test)
app.command(short_help="Who will move when changed definitions are deployed.")(plan.plan)
app.command(short_help="Write a definitions file to start from.")(new.new)
app.command(short_help="Why a customer is where they are.")(explain.explain)
app.command(short_help="A history of events in, changes out, without Kafka.")(replay.replay)
app.command(short_help="Proof from the topics: nothing lost, doubled or reordered.")(verify.verify)
app.command(short_help="What a running worker does.")(status.status)
app.command(short_help="Every check of a start, without starting.")(doctor.doctor)
app.command(short_help="What a pipeline needs, with formulas.")(capacity.capacity)
app.command(short_help="Open transactions on the topics.")(transactions.transactions)
app.command(short_help="Keep answers back: a broken tracker must mail nobody.")(hold.hold)
app.command(short_help="Let go what is held.")(hold.release)
app.command(short_help="What is held, by whom, since when and why.")(hold.holds)
app.add_typer(topics.app, name="topics")
app.add_typer(state.app, name="state")
app.add_typer(config.app, name="config")


@app.command()
def version() -> None:
    """Print the version."""
    from stream import __version__

    typer.echo(__version__)


def main() -> None:
    """Entry of the console script."""
    app()
