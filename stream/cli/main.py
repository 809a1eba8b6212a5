"""The command `segmenter`: one function per verb, errors as one clear message.

Exit codes: 0 well; 1 something is wrong with what was asked for (failed cases, a check that found problems);
2 the command line itself; 3 definitions; 4 settings; 5 refused to start; 6 unreadable state.
"""

from __future__ import annotations

import sys

import typer

from stream.cli import check, config, demo, explain, new, replay, test, topics, worker
from stream.errors import SegmenterError

app = typer.Typer(
    name="segmenter",
    help="Customer events in, segment changes out, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(worker.worker)
app.command()(demo.demo)
app.command()(check.check)
app.command()(test.test)
app.command()(new.new)
app.command()(explain.explain)
app.command()(replay.replay)
app.add_typer(topics.app, name="topics")
app.add_typer(config.app, name="config")


@app.command()
def version() -> None:
    """Print the version."""
    from stream import __version__

    typer.echo(__version__)


def main() -> None:
    """Entry of the console script."""
    try:
        app()
    except SegmenterError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error of ours.
        sys.stderr.close()
        sys.exit(0)
