"""The target's URL: what it may say, and how it is shown without its secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from etl.errors import UsageError

SCHEMES = ("redis", "rediss", "unix")

_TLS_PARAMETERS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
_PARAMETERS = ("db", *_TLS_PARAMETERS)


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL. ``shown`` has no secret; ``secret_url`` has, and stays out of every ``repr``."""

    shown: str
    secret_url: str = field(repr=False)

    def __str__(self) -> str:
        return self.shown


def parse_address(url: str) -> Address:
    """Read ``redis://[[user]:password@]host[:port][/db]``, ``rediss://...`` or ``unix://[...]path[?db=n]``.

    Raises UsageError that never quotes the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the target's URL is not well formed: {error}") from None
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise UsageError(f"the target's URL starts with one of {known} or embedded:, not {parts.scheme!r}")
    query = _parameters(parts.query, tls=parts.scheme == "rediss")
    if parts.scheme == "unix":
        if not parts.path:
            raise UsageError("a unix:// URL names the server's socket: unix:///run/redis/redis.sock")
        shown = f"unix://{unquote(parts.path)}?db={query.get('db', '0')}"
        return Address(shown, url)
    database = parts.path.strip("/") or query.get("db", "0")
    if not database.isdecimal():
        raise UsageError(f"the database in the target's URL is a number, not {database!r}")
    host = parts.hostname or "localhost"
    host = f"[{host}]" if ":" in host else host
    shown = urlunsplit((parts.scheme, f"{host}:{port or 6379}", f"/{database}", "", ""))
    return Address(shown, url)


def _parameters(query: str, *, tls: bool) -> dict[str, str]:
    parameters = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    allowed = _PARAMETERS if tls else ("db",)
    for name in parameters:
        if name not in allowed:
            raise UsageError(f"the target's URL may have the parameters {', '.join(allowed)}, not {name!r}")
    if not parameters.get("db", "0").isdecimal():
        raise UsageError(f"the database in the target's URL is a number, not {parameters['db']!r}")
    if parameters.get("ssl_cert_reqs", "required") != "required":
        raise UsageError(
            "ssl_cert_reqs in the target's URL would let anybody pose as the server; name the certificate"
            " of its authority with ssl_ca_certs=FILE instead"
        )
    return parameters


def connection_arguments(address: Address) -> dict[str, Any]:
    """Give redis-py's keyword arguments for the address, ``connection_class`` among them."""
    from redis.connection import parse_url  # redis is imported where it is used: it takes 0.1 s

    return dict(parse_url(address.secret_url))  # type: ignore[no-untyped-call]
