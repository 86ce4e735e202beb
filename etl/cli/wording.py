"""What argparse complains of, in plain words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from etl.suggest import did_you_mean
from etl.units import listed


def in_plain_words(message: str, verbs: Sequence[str]) -> str:
    """Return a complaint of argparse in words that do not come from argparse."""
    if message.startswith("the following arguments are required: VERB"):
        return f"say what to do: {listed(verbs, 'or')}"
    if match := re.search(r"argument VERB: invalid choice: (\S+) ", message):
        hint = did_you_mean(match[1].strip("'"), verbs) or f"there are {listed(verbs, 'and')}"
        return f"there is no command {match[1]}; {hint}"
    if match := re.fullmatch(r"argument (\S+): expected one argument", message):
        return f"{match[1]} needs a value"
    if match := re.fullmatch(r"argument (\S+): ignored explicit argument .*", message):
        return f"{match[1]} takes no value"
    return message
