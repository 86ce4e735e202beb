"""The fence around commands that must not be applied twice: RPUSH, XADD, INCRBY and their like.

A script applies the commands of some records together with the worker's mark, and only if the mark is the one
that it was made for. So what is sent again after a lost connection, or arrives late from an old one, finds
the mark moved on and is not applied; it is answered with what the first time was answered. (MULTI and EXEC
with a mark inside are not enough: bytes of an abandoned connection may arrive after the ones that were sent
again, and the errors inside of a lost EXEC are lost. https://redis.io/docs/latest/develop/programmability/)

The script gets the commands as one string, the very bytes of the wire, and reads them as the server would.

NOTE(check): a field of a job's record begins with a line that is a check of its name and of what follows:
a polynomial of their bytes modulo a prime below 2**40, which a script computes as well, also where the server
has no ``redis.sha1hex`` (fakeredis). Any change of one byte changes it, any other damage escapes it once in
2**40 times; it is no protection against somebody who may write to the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etl.encode.resp.protocol import plain
from etl.errors import TargetError
from etl.plan import Wire
from etl.plan.marks import read_errors

_SCRIPT = rb"""
local function part(text, number)
  local at = 1
  for _ = 2, number do at = string.find(text, '\n', at, true) + 1 end
  return at
end
if ARGV[6] ~= '' and redis.call('HGET', KEYS[1], 'run') ~= ARGV[6] then
  return redis.error_reply('FENCE another run has begun')
end
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then return redis.error_reply('FENCE the record of the job is gone') end
local place = string.sub(held, part(held, 2), part(held, 3) - 2)
if place == ARGV[3] then return '+' .. string.sub(held, part(held, 5)) end
if place ~= ARGV[2] then return redis.error_reply('FENCE the mark is another one') end
local match, sub = string.match, string.sub
local wire, at, number, applied, errors = ARGV[5], 1, 0, false, {}
while at <= #wire do
  local count, length, start
  count, at = match(wire, '^%*(%d+)\r\n()', at)
  local words = {}
  for word = 1, count do
    length, start = match(wire, '^%$(%d+)\r\n()', at)
    at = start + length
    words[word] = sub(wire, start, at - 1)
    at = at + 2
  end
  local reply = redis.pcall(unpack(words))
  if type(reply) == 'table' and reply.err then
    errors[#errors + 1] = number .. ' ' .. string.gsub(reply.err, '[\r\n]', ' ')
  else
    applied = true
    if not reply then errors[#errors + 1] = number .. ' ' end
  end
  number = number + 1
end
local said = table.concat(errors, '\n')
if not applied then return '-' .. said end
local content = ARGV[3] .. '\n' .. ARGV[4] .. '\n' .. said
local text, check = ARGV[1] .. '\n' .. content, 0
for start = 1, #text, 1024 do
  for _, byte in ipairs({string.byte(text, start, start + 1023)}) do
    check = (check * 257 + byte) % 1099511627689
  end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', check) .. '\n' .. content)
return '+' .. said
"""

_GOOD = b"$1\r\n+\r\n"


class FencedError(Exception):
    """An error reply of one of the commands; the text is the server's."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """What the script answered: ``replies`` as the commands themselves would have been answered.

    ``moved``: the mark is the new one now (it is not where no command was applied). Of good replies only
    nil is told from others; the others are OK.
    """

    moved: bool
    replies: list[Any] | None


def fence(
    wire: Wire, *, key: bytes, field: bytes, place: bytes, new: bytes, about: bytes, run: bytes = b""
) -> Wire:
    """Return ``wire`` fenced: it is applied if the mark ``field`` of ``key`` is at ``place``.

    Then the mark is ``new``; ``about`` are the two lines that it keeps with it, and the errors the rest.
    ``run`` is the run that the job must be in (empty: any): workers of one that has lost its lock without
    knowing it are kept out.
    """
    commands = b"".join(wire.buffers)
    asked = plain((b"EVAL", _SCRIPT, b"1", key, field, place, new, about, commands, run))
    return Wire(asked.buffers, (0, wire.records), _GOOD, asked.nbytes)


def read_fence(wire: Wire, replies: Sequence[Any] | None) -> Fenced:
    """Read what the script answered about the commands of the inner ``wire``.

    Raises TargetError for what no script of ours can have answered.
    """
    if replies is None:
        return Fenced(True, None)
    (reply,) = replies
    if isinstance(reply, Exception):
        return Fenced(False, [reply] * wire.commands)
    if not isinstance(reply, bytes) or reply[:1] not in (b"+", b"-"):
        said = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
        raise TargetError(
            f"the server does not run scripts as Redis does: it answered EVAL with {said!r:.80}"
        )
    answers: list[Any] = [b"OK"] * wire.commands
    for number, said in read_errors(reply[1:]):
        answers[number] = FencedError(said) if said else None
    return Fenced(reply[:1] == b"+", answers)
