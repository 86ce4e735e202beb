"""The URL of a primary that Sentinels watch: ``redis+sentinel://[user:password@]HOST[:PORT],.../NAME[/DB]``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode, urlsplit

from etl.errors import UsageError
from etl.sink.address import TLS_PARAMETERS, Address, Secret, malformed, parse_address

PORT = 26379
PASSWORD_VARIABLE = "SENTINEL_AUTH"
FORM = "HOST:PORT,HOST2:PORT/NAME/DB"

_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
_OWN_PARAMETERS = ("sentinel_user", "sentinel_password")
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
"""What a Sentinel takes for the name of a primary (sentinel.conf)."""


@dataclass(frozen=True, slots=True)
class WatchedAddress:
    """A parsed URL: the Sentinels in its order, the ``name`` of the primary, how to log in there.

    ``shown`` has no secret, and is the same in whichever order the Sentinels are named: it is part of the
    names of jobs. ``primary`` has the user, the database and the certificates; its host is not known.
    """

    shown: str
    name: str
    sentinels: tuple[Address, ...]
    primary: Address

    def __str__(self) -> str:
        return self.shown

    def primary_at(self, endpoint: str) -> Address:
        """Return the address of the primary, which is at ``host:port`` now."""
        address = self.primary.at(endpoint)
        return replace(address, shown=f"{address.shown} (primary of {self.name})")


def parse_watched(
    url: str, *, insecure: bool = False, environment: Mapping[str, str] = os.environ
) -> WatchedAddress:
    """Read the URL. Sentinels log in with ``sentinel_user`` and ``sentinel_password``, else $SENTINEL_AUTH.

    Raises UsageError, which quotes nothing of the URL, as that of ``parse_address`` does not.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise malformed("starts with redis+sentinel:// or rediss+sentinel://")
    if "#" in url:
        raise malformed("has a #")
    tls = scheme == "rediss+sentinel"
    if insecure and not tls:
        raise UsageError("--tls-insecure is for servers with TLS: rediss+sentinel://")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise malformed("is not well formed: a host or port cannot be") from None
    own, tls_query = _parameters(parts.query, tls=tls)
    userinfo, at, hosts = parts.netloc.rpartition("@")
    endpoints = [_endpoint(host) for host in hosts.split(",")]
    if len(set(endpoints)) < len(endpoints):
        raise malformed("names a Sentinel twice")
    name, database = _path(parts.path)
    base, end = _SCHEMES[scheme], f"?{tls_query}" if tls_query else ""
    primary = parse_address(f"{base}://{userinfo}{at}{endpoints[0]}/{database}{end}", insecure=insecure)
    user, password = _login(own, environment)
    return WatchedAddress(
        f"{scheme}://{','.join(sorted(endpoints))}/{name}/{urlsplit(primary.shown).path[1:]}",
        name,
        tuple(
            replace(
                parse_address(f"{base}://{endpoint}{end}", insecure=insecure),
                shown=f"{base}://{endpoint} (Sentinel)",
                user=user,
                password=password,
            )
            for endpoint in endpoints
        ),
        primary,
    )


def watched_url(shown: str, name: str) -> str | None:
    """Return the URL of the primary ``name``, for a Sentinel that a ``redis://`` URL leads to, else None."""
    parts = urlsplit(shown)
    if parts.scheme not in _SCHEMES.values() or not parts.netloc:
        return None
    return f"{parts.scheme}+sentinel://{parts.netloc}/{name}{parts.path}"


def _endpoint(text: str) -> str:
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or PORT) > 65535:
        raise malformed(
            "names Sentinels by host and port, an IPv6 address in brackets:"
            f" redis+sentinel://{FORM}, and nothing in it is empty"
        )
    return f"{found['host'].lower()}:{int(found['port'] or PORT)}"


def _path(path: str) -> tuple[str, str]:
    name, _, database = path.removeprefix("/").partition("/")
    if not _NAME.fullmatch(name):
        raise malformed(f"names the primary as its Sentinels do: redis+sentinel://{FORM}")
    return name, database.removesuffix("/") or "0"


def _parameters(query: str, *, tls: bool) -> tuple[dict[str, str], str]:
    """Return the parameters for Sentinels alone, and as a query those for all servers."""
    allowed = (*_OWN_PARAMETERS, *(TLS_PARAMETERS if tls else ()))
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    if any(name not in allowed for name in names):
        raise malformed(f"may have the parameters {', '.join(allowed)} and no other")
    for name in names:
        if names.count(name) > 1:
            raise malformed(f"has the parameter {name} twice")
    own = {name: value for name, value in pairs if name in _OWN_PARAMETERS}
    return own, urlencode([(name, value) for name, value in pairs if name not in _OWN_PARAMETERS])


def _login(own: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str | None, Secret | None]:
    user = own.get("sentinel_user") or None
    password = own.get("sentinel_password") or environment.get(PASSWORD_VARIABLE) or None
    if user is not None and password is None:
        raise UsageError(
            f"--to: the target's URL has sentinel_user and no password for it: set ${PASSWORD_VARIABLE}"
        )
    try:
        (password or "").encode()
    except UnicodeEncodeError:
        raise UsageError(f"the password of ${PASSWORD_VARIABLE} is not valid UTF-8") from None
    return user, None if password is None else Secret(password)
