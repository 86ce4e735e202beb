"""From ``--to`` to a target: the door to the deployments."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterator
from types import ModuleType

from etl.errors import UsageError
from etl.options import LoadOptions, TargetOptions, flag_of, given_of_others
from etl.plan import StopFlag, Target
from etl.registry import Shelf
from etl.suggest import did_you_mean
from etl.units import listed

DEPLOYMENTS = Shelf("etl.sink.deployments", "deployment")


@contextlib.contextmanager
def opened_target(options: LoadOptions) -> Iterator[Target]:
    """Yield the target of ``--to``; a server that was started for it runs while this is entered.

    Raises UsageError for a URL that cannot be, and for options that have no effect on what it leads to.
    """
    with deployment_of(options).open(options.url(), options) as target:
        yield target


def deployment_of(options: TargetOptions) -> ModuleType:
    """Return the deployment that ``--to`` leads to. Raises UsageError as ``opened_target`` does."""
    members = [module for _, module in DEPLOYMENTS.members()]
    deployment = _deployment_of(options.url(), members)
    _refuse_options(options, deployment, members)
    return deployment


def identified(target: Target, stop: StopFlag, retry_for_s: float, told: Callable[[str], None]) -> Target:
    """Reach a target; return it, or what it turned out to be a part of. Raises TargetError, StoppedError."""
    target = target.identify("redis-etl", stop, retry_for_s, told)
    for _, module in DEPLOYMENTS.members():
        whole: Target | None = module.found_at(target) if hasattr(module, "found_at") else None
        if whole is not None:
            return whole.identify("redis-etl", stop, told=told)
    return target


def _deployment_of(url: str, members: Collection[ModuleType]) -> ModuleType:
    for module in members:
        if url.startswith(tuple(module.SCHEMES)):
            return module
    if (scheme := url.partition(":")[0]) in DEPLOYMENTS.names():
        DEPLOYMENTS.member(scheme)  # that it cannot be imported says more
    raise _no_scheme(url, {scheme: rest for module in members for scheme, rest in module.SCHEMES.items()})


def _refuse_options(options: TargetOptions, deployment: ModuleType, members: Collection[ModuleType]) -> None:
    for name in given_of_others(options, deployment, members):
        schemes = [scheme for module in members if name in module.OPTIONS for scheme in module.SCHEMES]
        raise UsageError(f"{flag_of(name)} has no effect with {deployment.NOUN}: it is for {listed(schemes)}")


_HOST_AND_PORT = re.compile(r"(localhost|[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*):[0-9]{1,5}(/[0-9]{1,5})?")
_HOST = re.compile(r"localhost|[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+")
_RDB_FILE = re.compile(r"[A-Za-z0-9/._~{}-]+[.]rdb([.]gz)?")
_SOCKET = re.compile(r"/[A-Za-z0-9/._-]+")


def _no_scheme(url: str, schemes: dict[str, str]) -> UsageError:
    """Return the error of a URL that is none, with what was probably meant.

    Quotes only what looks like a host with a port, a file's or socket's path, or a scheme: no password does.
    """
    if _RDB_FILE.fullmatch(url):
        return UsageError(f"--to {url} has no scheme: did you mean rdb:{url}?")
    if _HOST_AND_PORT.fullmatch(url) or _HOST.fullmatch(url):
        end = "" if "/" in url else "/0"
        return UsageError(f"--to {url} has no scheme: did you mean redis://{url}{end}?")
    if _SOCKET.fullmatch(url):
        return UsageError(f"--to {url} has no scheme: did you mean unix://{url}, or embedded:{url}?")
    known = listed([scheme + rest for scheme, rest in schemes.items()], "or")
    sentence = f"--to: the target's URL starts with one of {known}"
    scheme, separator, _ = url.partition("://")
    if separator and re.fullmatch("[a-z][a-z+.-]{1,19}", scheme.lower()):
        meant = did_you_mean(f"{scheme.lower()}://", schemes)
        return UsageError(f"{sentence}, not with {scheme}://" + (f"; {meant}" if meant else ""))
    return UsageError(sentence)
