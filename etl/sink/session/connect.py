"""Opening a connection: redis-py does TLS, authentication and database selection; its retries are off."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, SSLConnection
from redis.retry import Retry

from etl.errors import BrokenHandshakeError, LoadingError, LostError, TargetError, UnreachedError
from etl.plan.error_reply import Action, Cause, ErrorReply, has_cause
from etl.sink.address import Address, connection_arguments
from etl.sink.error_replies import classified, explain
from etl.sink.sentinel_address import watched_url

CONNECT_TIMEOUT_S = 10.0

_NOT_TOLD = ("driver_info", "lib_name", "lib_version")
"""What redis-py would tell the server of itself (CLIENT SETINFO), under the names of its versions."""

_TELLS_NOTHING = {"driver_info": None} if "driver_info" in signature(AbstractConnection).parameters else {}
"""Spares redis-py the search for its own version, which takes most of the time that a connection costs."""

_FULL = "max number of clients reached"
"""What a server says that takes no more connections; redis-py has no class for it."""

_NO_DATABASES = "; is this the port of a Sentinel? Give {} instead"

_ONE_DATABASE = "; a Redis Cluster has database 0 alone: end the URL with /0"

_ENDED_TLS = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


def open_connection(
    address: Address,
    client_name: str,
    *,
    timeout_s: float,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    explained: Callable[[ErrorReply], str] = explain,
) -> tuple[Any, int | None]:
    """Connect, authenticate, select the database; return the redis-py connection and its number there.

    ``timeout_s`` bounds each answer of the handshake. ``explained`` says what an error reply means. Raises
    TargetError, which quotes no secret: LostError where it cannot be had just now, and of that
    BrokenHandshakeError where the connection broke, UnreachedError where it was not accepted, LoadingError
    where the server loads its data set.
    """
    arguments = connection_arguments(address)
    kind = arguments.pop("connection_class", Connection)
    if kind in (Connection, SSLConnection):
        arguments["socket_connect_timeout"] = connect_timeout_s
    taken = False

    def log_in(connection: Any) -> None:
        nonlocal taken
        taken = True
        connection.on_connect()

    connection = kind(
        **arguments,
        **_TELLS_NOTHING,
        protocol=2,
        socket_timeout=timeout_s,
        redis_connect_func=log_in,
        # NOTE(retry): with redis-py's own retries a frozen server made 100 commands into 200.
        retry=Retry(NoBackoff(), 0),
    )
    for name in _NOT_TOLD:
        setattr(connection, name, None)
    try:
        connection.connect()
        number = _introduce(connection, client_name)
    except (exceptions.AuthenticationError, exceptions.ResponseError, exceptions.BusyLoadingError) as error:
        raise _refusal(address, classified(error), explained) from None
    except ErrorReply as reply:
        raise _refusal(address, reply, explained) from None
    except exceptions.TimeoutError:
        server = "Redis server with TLS" if issubclass(kind, SSLConnection) else "Redis server"
        kind_of_error = BrokenHandshakeError if taken else UnreachedError
        raise kind_of_error(f"{address} does not answer; is a {server} running there?") from None
    except exceptions.InvalidResponse:
        tls = "" if issubclass(kind, SSLConnection) else "; if it wants TLS: rediss://"
        raise TargetError(f"{address} does not answer in Redis's protocol{tls}") from None
    except (exceptions.RedisError, OSError, ValueError) as error:
        raise _kind_of_loss(error, taken=taken)(f"cannot reach {address}: {_cause(error)}") from None
    return connection, number


def _introduce(connection: Any, client_name: str) -> int | None:
    """Name the connection, ask for its number, and whether the server takes commands, in one round trip.

    A user with few rights may do none of this: then the connection has no name, or its number is not known.
    """
    asked = (("CLIENT", "SETNAME", client_name), ("CLIENT", "ID"), ("PING",))
    packed = b"".join(part for command in asked for part in connection.pack_command(*command))
    # In one piece: a server that takes no more connections says so and hangs up, which a second would meet.
    connection.send_packed_command([packed], check_health=False)
    named, number, answer = (_reply(connection) for _ in asked)
    for reply in (named, number):
        if isinstance(reply, ErrorReply) and reply.policy.cause is Cause.LOGIN:
            raise reply
    if isinstance(answer, ErrorReply) and answer.policy.cause is not Cause.PERMISSION:
        raise answer
    return number if isinstance(number, int) else None


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except exceptions.ResponseError as error:
        return classified(error)


def _refusal(address: Address, reply: ErrorReply, explained: Callable[[ErrorReply], str]) -> TargetError:
    """Return the error of a server that refuses the connection, LostError if only for now."""
    if has_cause(reply, Cause.LOADING):
        return LoadingError(f"{address}: {explained(reply)}")
    kind = LostError if reply.policy.action is Action.AGAIN else TargetError
    return kind(f"{address} refused the connection: {explained(reply)}{_hint(address, str(reply))}")


def _hint(address: Address, said: str) -> str:
    """Return what to give instead, where the server has no database of that number."""
    if "unknown command 'SELECT'" in said:
        meant = watched_url(address.shown, "NAME")
        return _NO_DATABASES.format(meant or "the address of the primary that it watches")
    return _ONE_DATABASE if "SELECT is not allowed in cluster mode" in said else ""


def _kind_of_loss(error: BaseException, *, taken: bool) -> type[TargetError]:
    """Return the kind of a failure to connect: only what broke off may go well the next time."""
    broken = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, *_ENDED_TLS)
    causes = list(_causes(error))
    if any(isinstance(cause, broken) for cause in causes):
        return BrokenHandshakeError
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return TargetError
    return BrokenHandshakeError if taken and _FULL not in str(error) else UnreachedError


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _cause(error: BaseException) -> str:
    """Return in one line why; redis-py wraps the system's or OpenSSL's error, which says it best."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError) and "PEM lib" in str(cause):
            return "a file of certificates or the key is not in PEM format, or has a passphrase"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return explain(error)
