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

from dataclasses import dataclass

from etl.encode.resp.protocol import plain
from etl.plan import Wire

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


@dataclass(frozen=True, slots=True)
class Move:
    """Of a checkpoint, the field ``field`` of ``key``, from one position to another.

    ``about`` are the two lines that it keeps with its new position. ``run`` is the run that the job must be
    in (empty: any): workers of one that has lost its lock without knowing it are kept out. ``keys`` are those
    of the commands where the server has to know them: while a cluster moves their slot, it runs the script
    only where all of them are.
    """

    key: bytes
    field: bytes
    before: bytes
    after: bytes
    about: bytes
    run: bytes = b""
    keys: tuple[bytes, ...] = ()


def fence(wire: Wire, move: Move) -> Wire:
    """Return ``wire`` fenced: it is applied, and the checkpoint moved, if that is where it was before.

    The script answers ``+``, or ``-`` if it has applied none of the commands, which leaves the checkpoint in
    its place; then the errors (``read_errors``), which are kept with the checkpoint too.
    """
    commands = b"".join(wire.buffers)
    keys = (move.key, *move.keys)
    arguments = (move.field, move.before, move.after, move.about, commands, move.run)
    asked = plain((b"EVAL", _SCRIPT, b"%d" % len(keys), *keys, *arguments))
    return Wire(asked.buffers, (0, wire.records), _GOOD, asked.nbytes)
