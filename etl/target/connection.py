"""Opening a connection: redis-py does TLS, authentication and database selection; its retries are off."""

from __future__ import annotations

import ssl
from typing import Any

from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.retry import Retry

from etl.errors import LoadingError, LostError, TargetError
from etl.target.address import Address, connection_arguments
from etl.target.replies import Action, explain, first_word, row_of

CONNECT_TIMEOUT_S = 10.0


def open_connection(address: Address, client_name: str, *, timeout_s: float) -> tuple[Any, int | None]:
    """Connect, authenticate, select the database; give the redis-py connection and its number there.

    ``timeout_s`` bounds each answer of the handshake. Raises TargetError, which quotes no secret: LostError
    where the server cannot be reached just now, LoadingError where it loads its data set.
    """
    arguments = connection_arguments(address)
    kind = arguments.pop("connection_class", Connection)
    if kind in (Connection, SSLConnection):
        arguments["socket_connect_timeout"] = CONNECT_TIMEOUT_S
    connection = kind(
        **arguments,
        protocol=2,
        client_name=client_name,
        socket_timeout=timeout_s,
        # NOTE(retry): with redis-py's own retries a frozen server made 100 commands into 200.
        retry=Retry(NoBackoff(), 0),
    )
    try:
        connection.connect()
        number = _ask_number(connection)
    except exceptions.AuthenticationError as error:
        raise TargetError(f"{address} refused the connection: {explain(error)}") from None
    except exceptions.BusyLoadingError as error:
        raise LoadingError(f"{address}: {explain(error)}") from None
    except exceptions.ResponseError as error:
        kind_of_error = LostError if row_of(error).action is Action.AGAIN else TargetError
        raise kind_of_error(f"{address} refused the connection: {explain(error)}") from None
    except exceptions.TimeoutError:
        server = "Redis server with TLS" if issubclass(kind, SSLConnection) else "Redis server"
        raise LostError(f"{address} does not answer; is a {server} running there?") from None
    except (exceptions.RedisError, OSError, ValueError) as error:
        raise LostError(f"cannot reach {address}: {_cause(error)}") from None
    return connection, number


def _ask_number(connection: Any) -> int | None:
    """Ask whether the server takes commands, and for the connection's number, in one round trip."""
    ask = [connection.pack_command("CLIENT", "ID"), connection.pack_command("PING")]
    connection.send_packed_command([part for command in ask for part in command], check_health=False)
    try:
        number = connection.read_response()
    except exceptions.ResponseError as error:
        if first_word(error) in ("NOAUTH", "DENIED"):
            raise
        number = None  # not permitted, or not known: then it is not known
    connection.read_response()
    return number if isinstance(number, int) else None


def _cause(error: BaseException) -> str:
    """Say in one line why; redis-py wraps the system's or OpenSSL's error, which says it best."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError) and "PEM lib" in str(cause):
            return "a file of certificates or the key is not in PEM format, or has a passphrase"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return explain(error)
