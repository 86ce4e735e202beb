"""Redis types, a file each: what a record becomes under ``--as``, which is the file's name.

A file has ``TYPE``, a ``RedisType`` (its contract: ``etl/encode/mapping.py``). A type to whose keys one
command adds a record begins with ``OneCommandType`` (``etl/encode/one_command.py``).

| type | a record becomes | replace | merge | skip, fail |
|---|---|---|---|---|
| string | ``MSET``, ``SET`` | overwrites | no meaning | ``SET ... NX`` |
| string, packed | ``RESTORE`` or ``HSET`` of a bucket | overwrites | adds the fields | refused |
| hash by HSET | ``HSET {key} {*}`` | ``DEL`` before it | adds the fields | a pre-pass looks |
| hash by RESTORE | ``RESTORE`` | replaces in one step | goes by HSET | the server says BUSYKEY |
| json | ``JSON.SET {key} $ {json}`` | overwrites | ``JSON.MERGE`` | a pre-pass looks |
| list, set, zset, stream | ``RPUSH``, ``SADD``, ... | a pre-pass deletes | adds | a pre-pass looks |

In an RDB file (``rdb_encoder``) a record is a whole key: a string, also for json; a hash; of lists, sets and
sorted sets all members, those of an array field, or one; a stream of one entry. Packed, a bucket is.

A key that is there is one that was there before the run: records of one run may share a key.
"""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
