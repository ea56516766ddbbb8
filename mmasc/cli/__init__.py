"""The command line: one file per group of commands, each command a thin call of a library function.

Options that several commands share (`--hop`, `--where`, `--device` ...) are in options.py and answer_options.py;
output is in output.py and progress.py; errors and exit statuses are handled in `main` below.

The groups are imported when one of their commands runs, so `mmasc --help` loads no torch. What users can fix
(`MmascError`, `OSError`) becomes one line on stderr and exit status 1; wrong usage exits with 2, which is click's
convention.
"""

import codecs
import contextlib
import io
import os
import re
import signal
import sys
import threading
from _thread import interrupt_main
from collections.abc import Iterator
from importlib import import_module

import click

from mmasc.cli.chatter import kept_apart
from mmasc.encoders.trust import asking
from mmasc.errors import MmascError, said
from mmasc.printing import printable
from mmasc.version import __version__

# command -> (module, the line of `mmasc --help`); in the order a newcomer needs them
COMMANDS = {
    "demo": ("mmasc.cli.demo", "Embed, search and classify a folder of sounds; write a page to look at."),
    "embed": ("mmasc.cli.embed", "Turn recordings into vectors and keep them in a collection."),
    "search": ("mmasc.cli.search", "Search a collection by text, by sound or by picture."),
    "serve": ("mmasc.cli.serve", "Search, hear, see and label a collection in the browser."),
    "clips": ("mmasc.cli.clips", "Cut hits of a search, rows of a file, or labels out of the recordings."),
    "classify": ("mmasc.cli.classify", "Label recordings with a file of prompts, without training."),
    "head": ("mmasc.cli.head", "Fit classifiers to labels of your own, test them, apply them."),
    "review": ("mmasc.cli.review", "Choose the moments to judge next, as clips and a table to fill in."),
    "label": ("mmasc.cli.label", "Label moments of recordings; list, change and undo labels."),
    "collection": ("mmasc.cli.collection", "Inspect, change, check, merge and export collections."),
    "prompts": ("mmasc.cli.prompts", "List, check, compare and calibrate prompt files."),
    "report": ("mmasc.cli.report", "Study prompts on a labelled collection: numbers, figures, a page."),
    "models": (
        "mmasc.cli.models",
        "List encoders and networks, fetch weights, check that an encoder is deterministic.",
    ),
    "train": ("mmasc.cli.train", "Train encoders and networks on recordings of your own."),
    "sweep": (
        "mmasc.cli.sweep",
        "Train and test one network on several features, or a grid of networks that read tags.",
    ),
    "evaluate": ("mmasc.cli.evaluate", "Test trained networks on the folds that they were not trained on."),
    "compare": ("mmasc.cli.compare", "Compare runs and collections in one table, next to published figures."),
    "imagine": ("mmasc.cli.imagine", "Write the pictures that a trained network imagines from sounds."),
    "doctor": ("mmasc.cli.doctor", "Show what this installation can do and what is missing."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name][0])
        return getattr(module, cmd_name.replace("-", "_"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="mmasc")
def cli() -> None:
    """mmasc: label, search and measure sound recordings by text, sound and picture."""


def main() -> None:
    """Run the command line and turn errors that users can fix into one line and an exit status."""
    _open_closed()
    _take_all_letters()
    _refuse_deleted_folder()
    with kept_apart():
        _run()


def _run() -> None:
    # Python's own handler, which was put off until now; who starts the command with Ctrl-C ignored keeps that
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # `kill PID` ends a command as Ctrl-C does: finished work is kept
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # So does a terminal that is closed, unless the command was to outlive it (nohup)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again
    try:
        with _first_process_alone(), asking(_ask_at_terminal) if _at_terminal() else contextlib.nullcontext():
            status = cli.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for an answer that nobody gave
            _fail(f"something that was read ended too early ({error.__cause__}); run the command again", 1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # once more ends it at once, without a word
        _fail("stopped; the work done so far is kept", 130)
    except click.ClickException as error:
        _clean(error)
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output is gone (`mmasc ... | head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(said(error), 1)
    except MmascError as error:
        _fail(str(error), 1)
    sys.exit(status if isinstance(status, int) else 0)


def _interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Repeat a Ctrl-C that came while Python could not raise it, as in a destructor: it would be printed and lost."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(0.02, _interrupt).start()
    else:
        sys.__unraisablehook__(lost)


def _interrupt() -> None:
    """Send Ctrl-C to the main thread; where threads have signals of their own, what it waits for ends as well."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
    else:
        interrupt_main()


def _refuse_deleted_folder() -> None:
    """Stop where the folder that the command runs in is gone: no relative path leads anywhere.

    Libraries of the processor's maker end the process there, without a word of ours.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        _fail("the folder that you are in has been deleted; go to another one (cd) and run the command again", 1)


def _take_all_letters() -> None:
    """Let stdout and stderr take every letter: where only ASCII is known (LC_ALL=C), as UTF-8, as `click` does.

    Letters that another encoding lacks become escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            name = codecs.lookup(stream.encoding).name
            if name == "ascii":
                stream.reconfigure(encoding="utf-8")
            elif not name.startswith("utf"):
                stream.reconfigure(errors="backslashreplace")


def _open_closed() -> None:
    """Where stdin, stdout or stderr are closed, as some schedulers leave them, let them lead nowhere.

    The next file that is opened would get their number, and everything that a library prints would go into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _at_terminal() -> bool:
    """Whether somebody reads what is asked and can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask_at_terminal(question: str) -> bool:
    # A line of its own: below it the live line of progress goes on
    click.echo(printable(f"{question} [y/N]"), err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextlib.contextmanager
def _first_process_alone() -> Iterator[None]:
    """Send what every process but the first of torchrun prints nowhere: results and remarks come once.

    Errors pass through, so that a process that fails says why.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0":
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def _fail(message: str, status: int) -> None:
    joined = re.sub(r"\s*[\r\n]\s*", " ", message.strip())
    # A damaged table may hold an extremely long name
    joined = re.sub(r"\S{600,}", lambda word: f"{word[0][:200]}…{word[0][-100:]}", joined)
    with contextlib.suppress(OSError):  # the terminal is closed: nobody is there to be told
        click.echo(f"mmasc: {printable(joined)}", err=True)
    sys.exit(status)


def _clean(error: click.ClickException) -> None:
    """Remove control characters from a message of wrong usage: it repeats what users typed."""
    if error.message:
        error.message = printable(error.message)  # type: ignore[misc]
