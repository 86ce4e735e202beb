"""What an error reply means and what is done about it: one table, by the reply's first word.

A reply is classified where it comes in (``error_reply``, for what redis-py has read ``classified``), and
carries its policy from there on: no other module reads the words of a server's error.
"""

from __future__ import annotations

from etl.errors import RefusedForNowError, TargetError, WrongTypeError
from etl.plan.error_reply import KEY_EXISTS, Action, Cause, ErrorPolicy, ErrorReply, quoted

ERROR_POLICIES: dict[str, ErrorPolicy] = {
    "OOM": ErrorPolicy(
        Action.AGAIN, "the server is full (maxmemory); give it more memory or load less", limit_s=30.0
    ),
    "READONLY": ErrorPolicy(
        Action.AGAIN, "the server is a read-only replica; load into its primary", reconnect=True
    ),
    "MASTERDOWN": ErrorPolicy(Action.AGAIN, "the server is a replica that lost its primary", reconnect=True),
    "LOADING": ErrorPolicy(
        Action.AGAIN,
        "the server is still loading its data set; try again when it is ready",
        Cause.LOADING,
    ),
    "MISCONF": ErrorPolicy(
        Action.AGAIN, "the server cannot save its data to disk and refuses writes; see its log"
    ),
    "NOREPLICAS": ErrorPolicy(
        Action.AGAIN, "the server has too few replicas to accept writes (min-replicas-to-write)"
    ),
    "BUSY": ErrorPolicy(Action.AGAIN, "the server is busy with a script"),
    "TRYAGAIN": ErrorPolicy(
        Action.AGAIN, "the cluster is moving the keys to another node just now", Cause.SPLIT
    ),
    "MOVED": ErrorPolicy(
        Action.AGAIN,
        "the server is part of a Redis Cluster, and another node of it has the key",
        Cause.MOVED,
        reconnect=True,
    ),
    "ASK": ErrorPolicy(
        Action.AGAIN,
        "the server is part of a Redis Cluster, which is moving the key to another node just now",
        Cause.ASK,
    ),
    "CLUSTERDOWN": ErrorPolicy(
        Action.AGAIN, "the cluster is down: no node serves some of its slots", reconnect=True
    ),
    "NOAUTH": ErrorPolicy(
        Action.STOP,
        "the server wants a password: put it into a file and name that with --password-file FILE,"
        " or set $REDISCLI_AUTH",
        Cause.LOGIN,
    ),
    "WRONGPASS": ErrorPolicy(
        Action.STOP,
        "the user name or password is wrong (--user, --password-file or $REDISCLI_AUTH, or the URL)",
    ),
    "NOPERM": ErrorPolicy(
        Action.STOP,
        "this user may not run the command or touch the key; give it the permission (ACL SETUSER)",
        Cause.PERMISSION,
    ),
    "DENIED": ErrorPolicy(
        Action.STOP, "the server runs in protected mode and takes no connections from here", Cause.LOGIN
    ),
    "CROSSSLOT": ErrorPolicy(
        Action.STOP,
        "the keys of one command lie in different hash slots; on a cluster they have to share a hash tag: "
        "{{tag}} in both",
    ),
    "FENCE": ErrorPolicy(Action.STOP, "another run has written to this job meanwhile; start the load again"),
    KEY_EXISTS: ErrorPolicy(Action.REJECT, cause=Cause.KEY_EXISTS),
    "WRONGTYPE": ErrorPolicy(Action.REJECT, cause=Cause.WRONG_TYPE),
}

EVERY_RECORD = (
    "unknown command",
    "unknown subcommand",
    "Unknown Redis command",
    "wrong number of arguments",
    "Wrong number of args",
    "syntax error",
    "Protocol error",
    "DUMP payload version or checksum are wrong",
    "Bad data format",
)
"""What an ERR reply says when every record would get it."""

WRONG_TYPE_WORDS = ("WRONGTYPE", "wrong Redis type")
"""What other replies say of a key that holds a value of another type: those of modules and of scripts."""

_STOP = ErrorPolicy(Action.STOP)
_REJECT = ErrorPolicy(Action.REJECT)


def error_reply(text: str) -> ErrorReply:
    """Return an error reply with its policy; ``text`` is what follows its minus sign."""
    return ErrorReply(text, _policy_of(text, first_word(text)))


def classified(error: BaseException) -> ErrorReply:
    """Return an error that redis-py has raised as an error reply: it may have taken the first word away."""
    text = str(error)
    return ErrorReply(text, _policy_of(text, getattr(error, "status_code", None) or first_word(text)))


def first_word(text: str) -> str:
    """Return the class of an error reply: its first word."""
    return text.split(" ", 1)[0]


def _policy_of(text: str, word: str) -> ErrorPolicy:
    """Return what is done about a reply. What is not in the table concerns the record alone.

    That is a bad number, a bad score, a module's own error.
    """
    policy = ERROR_POLICIES.get(word)
    if policy is not None:
        return policy
    if any(words in text for words in EVERY_RECORD):
        return _STOP
    return ERROR_POLICIES["WRONGTYPE"] if any(words in text for words in WRONG_TYPE_WORDS) else _REJECT


def explain(error: BaseException) -> str:
    """Return what an error means and what to do, without quoting data."""
    return error.explained if isinstance(error, ErrorReply) else quoted(str(error))


def failure(reply: ErrorReply, target: object) -> TargetError:
    """Return the error of a command that was answered so; RefusedForNowError where it may be sent again."""
    policy = reply.policy
    message = f"{target}: {reply.explained}"
    if policy.action is Action.AGAIN:
        return RefusedForNowError(message, policy.limit_s, reconnect=policy.reconnect)
    return WrongTypeError(message) if policy.cause is Cause.WRONG_TYPE else TargetError(message)
