"""The command ``cnnfast``: train, predict, explain, study, info.

A mistake of the user is one clear line and exit code 2; ``CNNFAST_TRACEBACK=1`` shows where it
came from.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of argparse's usage and line."""
        self.exit(2, f"cnnfast: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    from . import explain, info, predict, study, train

    parser = _Parser(prog="cnnfast", description="Convolutional networks on ordinary CPUs.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (train, predict, explain, study, info):
        module.add_command(commands)
    return parser


def _one_line(error: BaseException) -> str:
    text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return text or type(error).__name__


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("cnnfast: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, ImportError) as error:
        if os.environ.get("CNNFAST_TRACEBACK"):
            raise
        print(f"cnnfast: {_one_line(error)}", file=sys.stderr)
        return 2
