# SPDX-License-Identifier: Apache-2.0
"""What all commands have in common: a mistake of the user's gets one line."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

__all__ = ["run_app"]


def run_app(app: App, words: Sequence[str] | None, *mistakes: type[Exception],
            fold: bool = True) -> int:
    """Run a command; return its exit status: 2, with a line on stderr, on a mistake.

    Parameters
    ----------
    app : App
        The command; what it returns is its exit status otherwise, 0 if that is None.
    words : Sequence[str]
        Without the command's name; those that Python was started with if None.
    *mistakes : type
        What it raises if the user is to mend a thing, beside wrong words and files.
    fold : bool
        Put the message on one line; one with the end of a log is better left as it is.
    """
    try:
        return app(sys.argv[1:] if words is None else words,
                   exit_on_error=False, print_error=False) or 0
    except (CycloptsError, OSError, *mistakes) as error:
        text = " ".join(str(error).split()) if fold else str(error)
        print(f"spikeloom: {text}", file=sys.stderr)
        return 2
