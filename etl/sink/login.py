"""Who connects, and with which password: from the URL, a file, a prompt or the environment.

NOTE(secret): a password is read once, in the parent. It travels to the workers inside of the Address, over
their Pipes: it stands in no command line, no ``repr``, no message and no log. A message about a password
never quotes any of it, nor says how long it is.
"""

from __future__ import annotations

import getpass
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace

from etl.errors import UsageError
from etl.options import TargetOptions
from etl.sink.address import Address, has_password, parse_address, require_files

PASSWORD_VARIABLE = "REDISCLI_AUTH"

_MAX_BYTES = 1 << 16


def address_of(url: str, options: TargetOptions, environment: Mapping[str, str] = os.environ) -> Address:
    """Read the URL and find its user and password. Raises UsageError, which quotes no secret.

    The first of these is the password: the URL's, the first line of ``--password-file``, what is typed for
    ``--ask-password``, ``$REDISCLI_AUTH``. The user is the URL's, else ``--user``.
    """
    return logged_in(parse_address(url, insecure=options.tls_insecure), options, environment)


def logged_in(
    address: Address, options: TargetOptions, environment: Mapping[str, str] = os.environ
) -> Address:
    """Return the address with the user and password of whoever connects: see ``address_of``."""
    require_files(address)
    return replace(address, user=options.user, password=_password(address, options, environment))


def _password(address: Address, options: TargetOptions, environment: Mapping[str, str]) -> str | None:
    if has_password(address):
        return None
    if options.password_file is not None:
        return _of_file(options.password_file)
    if options.ask_password:
        return _asked(address)
    return _text(environment.get(PASSWORD_VARIABLE, ""), f"${PASSWORD_VARIABLE}") or None


def _of_file(path: str) -> str:
    option = f"--password-file {path}"
    try:
        with open(path, "rb") as file:
            line = file.readline(_MAX_BYTES)
    except (OSError, ValueError) as error:
        raise UsageError(f"{option} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        raise UsageError(f"{option} is empty: its first line is the password")
    return _text(line.decode("utf-8", "surrogateescape"), option)


def _asked(address: Address) -> str:
    """Ask the terminal. Python's getpass would read standard input where there is none, and only warn."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            password = getpass.getpass(f"Password for {address}: ")
    except (getpass.GetPassWarning, OSError):
        raise UsageError(
            f"--ask-password needs a terminal; give --password-file FILE or ${PASSWORD_VARIABLE} instead"
        ) from None
    except EOFError:
        password = ""
    if not password:
        raise UsageError("--ask-password: no password was typed")
    return _text(password, "--ask-password")


def _text(password: str, whence: str) -> str:
    try:
        password.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the password of {whence} is not valid UTF-8") from None
    return password
