"""A target's URL as it may be written down for other machines: without a password."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from etl.errors import UsageError
from etl.sink.address import parse_address
from etl.sink.sentinel_address import PASSWORD_VARIABLE, parse_watched


def without_password(url: str) -> str:
    """Return a URL without its password, and without parameters that have one; the user's name stays."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    rest, mark, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    userinfo, at, host = authority.rpartition("@")
    user = userinfo.partition(":")[0]
    kept = [(name, value) for name, value in parse_qsl(query) if "password" not in name.lower()]
    shown = f"{user}@" if at and user else ""
    end = f"{mark}{urlencode(kept, safe='/:')}" if kept else ""
    return f"{scheme}://{shown}{host}{slash}{path}{end}"


def same_place(one: str, other: str) -> bool:
    """Return True if two URLs lead to the same target, whoever connects."""
    return _place(one) == _place(other)


def _place(url: str) -> str:
    url, insecure = without_password(url), url.startswith(("rediss://", "rediss+sentinel://"))
    try:
        if "+sentinel://" in url:
            return parse_watched(url, insecure=insecure, environment={PASSWORD_VARIABLE: "-"}).shown
        return parse_address(url, insecure=insecure).shown
    except UsageError:  # another deployment's
        scheme, separator, rest = url.partition("?")[0].partition("://")
        return f"{scheme}{separator}{rest.rpartition('@')[2]}"
