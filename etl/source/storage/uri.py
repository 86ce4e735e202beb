"""URIs of remote files, and what of them may be shown: never user, password or query (signatures, tokens)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from etl.errors import UsageError

_URI = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:(?P<userinfo>[^/?]*)@)?(?P<host>[^/?]*)(?P<path>[^?]*)"
    r"(?:\?(?P<query>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_HOST = re.compile(r"[^:]*(:\d*)?|\[[0-9a-f:.%]*\](:\d*)?", re.IGNORECASE)

_HARMLESS = frozenset({"endpoint_override", "scheme", "region", "retry_limit_seconds", "tls_ca_file_path"})
"""Options of a file system that stand in the query and help to understand a message."""

_SHORTEST_SECRET = 6
"""A shorter value of a query is no secret worth the name; hiding ``us`` or ``1`` would garble a message."""


@dataclass(frozen=True, slots=True, repr=False)
class Uri:
    """A URI in its parts, none of them decoded; ``str()`` is what may be shown."""

    scheme: str
    userinfo: str
    host: str
    path: str
    query: str

    def __str__(self) -> str:
        path = self.path.partition("#")[0] if self.scheme in ("http", "https") else self.path
        return f"{self.scheme}://{self.host}{path}"

    def __repr__(self) -> str:
        return f"Uri({str(self)!r})"

    @property
    def secret_text(self) -> str:
        """The whole URI, secrets and all."""
        userinfo = f"{self.userinfo}@" if self.userinfo else ""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{userinfo}{self.host}{self.path}{query}"

    @property
    def has_secret(self) -> bool:
        """Return True if it has more than a place and options that help to reach it."""
        names = {pair.partition("=")[0] for pair in self.query.split("&") if pair}
        return bool(self.userinfo) or not names <= _HARMLESS

    def at(self, path: str) -> Uri:
        """Return the URI of another path (not decoded either) of the same place."""
        return replace(self, path=path)

    def scrub(self, text: str) -> str:
        """Take this URI's secrets out of somebody else's message."""
        text = text.replace(self.secret_text, str(self))
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> set[str]:
        user, _, password = self.userinfo.partition(":")
        secrets = {self.userinfo, user, self.query}
        for pair in self.query.split("&"):
            name, _, value = pair.partition("=")
            if name not in _HARMLESS:
                secrets.add(value)
        secrets = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET} | {password}
        return (secrets | {unquote(secret) for secret in secrets}) - {""}


def is_remote(source: str) -> bool:
    """Return True if a SOURCE argument is a URI of another place than this machine's files."""
    found = _URI.match(source)
    return found is not None and found["scheme"].lower() != "file"


def parse_uri(text: str) -> Uri:
    """Take a URI to pieces. Raises UsageError, without the text where it may hold a secret."""
    found = _URI.fullmatch(text)
    if found is None:
        raise UsageError("the source is not a URI of the form scheme://host/path")
    if not _HOST.fullmatch(found["host"]):
        # A key with a slash in it, unquoted, would end the host and be shown as a part of the path.
        raise UsageError(
            f"the host in the {found['scheme']}:// source is not one: in a user name or password"
            " / must be written %2F, : %3A and @ %40"
        )
    return Uri(
        found["scheme"].lower(), found["userinfo"] or "", found["host"], found["path"], found["query"] or ""
    )
