"""What all commands share: the console, the JSON output, and the group that turns errors into exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import Any, Protocol

import click
from rich.console import Console, RenderableType

from ..errors import HpdashError
from ..records import visible
from ..views.text import PIPE_WIDTH, json_text, plain

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_AS_JSON = "hpdash.as_json"  # whether the command is asked for JSON, in click's context


class Screen(Console):
    """A console that shows text literally, and discards its output after its pipe or terminal was closed."""

    def on_broken_pipe(self) -> None:
        """Discard further output, so that a sweep runs on and a command ends with its usual exit code."""
        _silence(2 if self.stderr else 1)

    def _check_buffer(self) -> None:
        """Treat a closed terminal (EIO) like a broken pipe, because rich handles only broken pipes."""
        try:
            super()._check_buffer()
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.on_broken_pipe()


class Commands(click.Group):
    """A group whose commands print the message of an HpdashError and exit with its code, without a traceback."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and remember whether the command is asked for JSON."""
        ctx.meta[_AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and turn errors into exit codes."""
        _open_standard_files()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # names may have characters that the encoding lacks
        try:
            return super().invoke(ctx)
        except HpdashError as error:
            if ctx.meta[_AS_JSON]:
                print_json({"error": str(error), "exit_code": error.exit_code})
            _say_error(error)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            _silence(1)
            ctx.exit(0)
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="hpdash", prog_name="hpdash")
def main() -> None:
    """Run hyperparameter sweeps of Keras models, fast, and understand them in TensorBoard."""


def examples(*lines: str) -> str:
    """Return the examples at the end of a command's help."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def console_for(stderr: bool = False) -> Console:
    """Return a console on standard output or error; if that is no terminal, it is wide enough to cut nothing."""
    console = Screen(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    write(f"{json_text(value)}\n".encode(errors="backslashreplace"))


class Found(Protocol):
    """The result of a reading command."""

    def to_json(self) -> Any:
        """Return the result as JSON values."""

    def render(self, console: Console) -> Iterable[RenderableType]:
        """Yield the parts of the result that are printed."""


def emit(found: Found, as_json: bool, soft_wrap: bool = False) -> None:
    """Print a result: as JSON, or drawn for the console.

    With `soft_wrap`, long lines are left to the terminal to wrap, so that they can be copied whole.
    """
    if as_json:
        print_json(found.to_json())
        return
    console = console_for()
    for part in found.render(console):
        console.print(part, soft_wrap=soft_wrap)


def write(data: bytes) -> None:
    """Write bytes (UTF-8) to standard output; for a terminal, show control characters as escape sequences."""
    try:
        click.echo(visible(data.decode(), besides="\n") if sys.stdout and sys.stdout.isatty() else data, nl=False)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):  # a closed pipe, a closed terminal
            raise
        _silence(1)


def _say_error(error: HpdashError) -> None:
    console = console_for(stderr=True)
    for line in str(error).splitlines() or [""]:
        console.print(plain(line), style="red", soft_wrap=True)


def _silence(descriptor: int) -> None:
    """Redirect a file descriptor to the null device, so that further output is discarded without an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _open_standard_files() -> None:
    """Open standard input, output and error on the null device if they are closed.

    Otherwise a file of the sweep could get one of their descriptors, and output would be written into this file.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)  # workers inherit it
    os.close(descriptor)
