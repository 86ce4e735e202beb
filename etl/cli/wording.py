"""What argparse complains of, in plain words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence


def in_plain_words(message: str, verbs: Sequence[str]) -> str:
    """Say what argparse says in words that do not come from argparse."""
    if message.startswith("the following arguments are required: VERB"):
        return f"say what to do: {' or '.join(verbs)}"
    if match := re.search(r"argument VERB: invalid choice: (\S+) ", message):
        close = difflib.get_close_matches(match[1].strip("'"), verbs, n=1)
        return f"there is no command {match[1]}; {meant(close) or 'there are ' + ' and '.join(verbs)}"
    if match := re.fullmatch(r"argument (\S+): expected one argument", message):
        return f"{match[1]} needs a value"
    if match := re.fullmatch(r"argument (\S+): ignored explicit argument .*", message):
        return f"{match[1]} takes no value"
    return message


def meant(close: Sequence[str]) -> str:
    return f"did you mean {' or '.join(close)}?" if close else ""
