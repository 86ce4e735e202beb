"""The target's URL: what it may say, and how it is shown without its secret."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from etl.errors import UsageError

TLS_PARAMETERS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
_TLS_FILES = TLS_PARAMETERS[:-1]
_PARAMETERS = ("db", *TLS_PARAMETERS)


class Secret(str):
    """Text that its ``repr`` does not show: what reports errors may write down the variables around them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL. ``shown`` has no secret; ``secret_url`` has, and stays out of every ``repr``.

    ``user`` and ``password`` are used where the URL names none. ``insecure``: neither the certificate of a
    server with TLS nor its host name is checked.
    """

    shown: str
    secret_url: str = field(repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    insecure: bool = False

    def __str__(self) -> str:
        return self.shown

    def at(self, endpoint: str) -> Address:
        """Return the address of another server, ``host:port``, of the same deployment."""
        parts, shown = urlsplit(self.secret_url), urlsplit(self.shown)
        scheme, path, query = parts.scheme, parts.path, parts.query
        if scheme == "unix":
            scheme, path, query = "redis", "/0", ""
        userinfo, separator, _ = parts.netloc.rpartition("@")
        url = urlunsplit((scheme, f"{userinfo}{separator}{endpoint}", path, query, ""))
        database = path if parts.scheme == "unix" else shown.path
        return replace(self, shown=f"{scheme}://{endpoint}{database}", secret_url=url)

    @property
    def database(self) -> int:
        """Return the number of the database."""
        shown = urlsplit(self.shown)
        return int(dict(parse_qsl(shown.query)).get("db") or shown.path.strip("/") or 0)

    @property
    def endpoint(self) -> str:
        """Return ``host:port``; of a socket that of this machine, as a cluster would name it."""
        return urlsplit(self.shown).netloc or "127.0.0.1:6379"


def parse_address(url: str, *, insecure: bool = False) -> Address:
    """Read ``redis://[[user]:password@]host[:port][/db]``, ``rediss://...`` or ``unix://[...]path[?db=n]``.

    Only with ``insecure`` (``--tls-insecure``) the URL may, but need not, say ``ssl_cert_reqs=none``.
    Raises UsageError. It quotes nothing of the URL: a password that should have been percent-encoded may
    stand anywhere in it. What redis-py would read in another way than it is shown here is refused too.
    """
    scheme = url.partition("://")[0]
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise malformed("starts with redis://, rediss:// or unix://")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise malformed("is not well formed: its host or port cannot be") from None
    if "#" in url:
        raise malformed("has a #")
    if insecure and scheme != "rediss":
        raise UsageError("--tls-insecure is for a server with TLS: rediss://")
    query = _parameters(parts.query, tls=scheme == "rediss", insecure=insecure)
    if scheme == "unix":
        if not parts.path or parts.netloc.rpartition("@")[2] or (parts.netloc and "@" in parts.path):
            raise malformed("names the server's socket by its absolute path: unix:///run/redis/redis.sock")
        return Address(f"unix://{unquote(parts.path)}?db={_database(query.get('db', '0'))}", url)
    in_path = parts.path.strip("/")
    if in_path and "db" in query:
        raise malformed("names the database twice")
    database = _database(in_path or query.get("db", "0"))
    host = parts.hostname or "localhost"
    host = f"[{host}]" if ":" in host else host
    return Address(
        urlunsplit((scheme, f"{host}:{port or 6379}", f"/{database}", "", "")), url, insecure=insecure
    )


def require_files(address: Address) -> None:
    """Raise UsageError where a certificate, key or folder that the URL names cannot be read."""
    for name, path in parse_qsl(urlsplit(address.secret_url).query):
        if name not in _TLS_FILES or (name == "ssl_ca_path" and os.path.isdir(path)):
            continue
        shown = name if "@" in path else f"{name}={path}"  # it may be the end of a password
        try:
            with open(path, "rb") as file:
                file.read(1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "this is no path"
            raise UsageError(f"--to: {shown} in the target's URL cannot be read: {why}") from None
        if name == "ssl_ca_path":
            raise UsageError(f"--to: {shown} in the target's URL is no folder; for a file it is ssl_ca_certs")


def _parameters(query: str, *, tls: bool, insecure: bool) -> dict[str, str]:
    allowed = _PARAMETERS if tls else ("db",)
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in allowed:
            raise malformed(f"may have the parameters {', '.join(allowed)} and no other")
        if name in parameters:
            raise malformed(f"has the parameter {name} twice")
        parameters[name] = value
    if parameters.get("ssl_cert_reqs", "required") not in ("required", "none" if insecure else "required"):
        raise UsageError(
            "ssl_cert_reqs in the target's URL would let anybody pose as the server; name the certificate"
            " of its authority with ssl_ca_certs=FILE instead (or say ssl_cert_reqs=none and --tls-insecure)"
        )
    return parameters


def _database(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise malformed("names a database that is no number")
    return int(text)


def malformed(what: str) -> UsageError:
    """Return the error of a URL that quotes nothing of it: ``what`` a URL says or does."""
    return UsageError(
        f"the target's URL {what} (in a user name or password write / as %2F, ? as %3F, # as %23, @ as %40)"
    )


def has_password(address: Address) -> bool:
    """Return True if the URL itself has a password."""
    return bool(_read_by_redis_py(address).get("password"))


def connection_arguments(address: Address) -> dict[str, Any]:
    """Return redis-py's keyword arguments for the address, ``connection_class`` among them."""
    arguments = _read_by_redis_py(address)
    for name, value in (("username", address.user), ("password", address.password)):
        if value is not None and not arguments.get(name):
            arguments[name] = value
    if "password" in arguments:
        arguments["password"] = Secret(arguments["password"])
    if address.secret_url.startswith("rediss:"):
        arguments["ssl_check_hostname"] = not address.insecure
        arguments["ssl_cert_reqs"] = "none" if address.insecure else "required"
        arguments["ssl_password"] = ""  # with None OpenSSL asks the terminal, in every worker
    return arguments


def _read_by_redis_py(address: Address) -> dict[str, Any]:
    from redis.connection import parse_url  # redis is imported where it is used: it takes 0.1 s

    return dict(parse_url(address.secret_url))  # type: ignore[no-untyped-call]
