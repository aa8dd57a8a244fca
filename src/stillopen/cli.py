"""The command ``stillopen``: finds the program that a command belongs to, and turns errors into one line.

The programs are loaded only when one of their commands is used: ``stillopen register status`` must
not wait for Django.
"""

import importlib
import os
import signal
import sqlite3
import sys
from typing import NoReturn

import click

from stillopen import __version__
from stillopen.domain.errors import DomainError

#: command → (where its click group is, what it is for)
PROGRAMS = {
    "backoffice": ("stillopen.backoffice.cli:backoffice", "The server: set up, import, serve."),
    "bench": ("stillopen.bench.cli:bench", "Measurements, each beside its limit in the same run."),
    "demo": (
        "stillopen.demo.cli:demo",
        "A demo shop on this machine, with a line that can be cut.",
    ),
    "journal": ("stillopen.register.cli:journal", "Check or export the journal of a register."),
    "simulate": (
        "stillopen.simulator.cli:simulate",
        "A simulated fleet under faults: do the invariants hold?",
    ),
    "register": ("stillopen.register.cli:register", "The till: activate, serve, status."),
}

FAILED = 1
USAGE = 2
INTERRUPTED = 128 + signal.SIGINT
BUG = 70  # EX_SOFTWARE of sysexits.h


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for; the help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(PROGRAMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PROGRAMS:
            return None
        module, _, name = PROGRAMS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in sorted(PROGRAMS.items())])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stillopen")
def cli() -> None:
    """Stillopen: a point of sale that keeps selling when the internet does not."""


def main() -> NoReturn:
    """Entry point. Exit code 0, 1 (a rule was not met), 2 (wrong use), 70 (a mistake of ours)."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; whatever goes wrong becomes one line on stderr and an exit code."""
    try:
        result = cli.main(arguments, prog_name="stillopen", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # quiet at exit, too
        return FAILED
    except Exception as error:  # the last line of defence: a person at a till gets no traceback
        code, words = explain(error)
        if code == BUG and os.environ.get("STILLOPEN_TRACEBACK"):
            raise
        click.echo("Error: " + " ".join(words.split()), err=True)
        return code


def explain(error: Exception) -> tuple[int, str]:
    """The exit code for ``error`` and what to say about it."""
    match error:
        case click.UsageError():
            where = error.ctx.command_path if error.ctx else "stillopen"
            message = error.format_message().rstrip(".")
            return USAGE, f"{message}. See '{where} --help'."
        case click.ClickException():
            return FAILED, error.format_message()
        case click.Abort():
            return INTERRUPTED, "Stopped."
        case DomainError():
            return FAILED, f"{error.message} [{error.code}]"
        case OSError():
            what = error.strerror or str(error) or type(error).__name__
            return FAILED, f"{what}: {error.filename}" if error.filename else what
        case sqlite3.Error() | Exception(__cause__=sqlite3.Error()):  # Django wraps it
            return FAILED, f"The database cannot be used: {error}."
    return BUG, (
        f"Something unexpected went wrong ({type(error).__name__}: {error}). "
        "Set STILLOPEN_TRACEBACK=1 to see where."
    )
