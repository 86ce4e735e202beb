"""A server's whole data set replaced in one step: it is told to replicate from this process.

https://redis.io/docs/latest/operate/oss_and_stack/management/replication/. The server (REPLICAOF) connects
to a port of ours, and takes the RDB stream that its primary would send; REPLICAOF NO ONE keeps what it has
then. What is written here was measured with Redis 6.2, 7.0 and 8.2, and is tested with them:

NOTE(swap): with ``repl-diskless-load swapdb``, and when the full synchronisation is announced under the
server's own replication id, a server from 7.0 on answers reads from its old data set until it has the whole
new one. 6.2 keeps the old one aside too, but answers LOADING. If the stream breaks off anywhere before its
end, the old data set stays (in 6.2 up to the mark after the checksum, which it reads when it has the new
one). Without that setting the stream goes into a file on the server's disk first; the old data set is
removed when the file is whole, and LOADING is answered while it is read.

NOTE(offset): the replication offset that is announced is beyond the server's own. With the same one, a
replica of the server would believe that it has missed nothing, and keep the old data set.

NOTE(checksum): the stream has the checksum 0, which stands for none, as with ``rdbchecksum no``. At a wrong
one every server exits at once, as at many a wrong byte, and its old data set is gone from memory. A stream
that breaks off only ends: so nothing that is not whole is ever ended.

NOTE(padding): a server that loads answers its clients each time it has read some bytes more
(``loading-process-events-interval-bytes``: 2 MiB, from Redis 8 on 512 KiB), and nobody while no byte comes
in; after ``repl-timeout`` it gives up. So where no worker has anything to send, fields are sent that every
server passes over, as many as let it look after its clients.

NOTE(functions): a stream replaces the functions of a server (7.0 and later) too. They are in its beginning,
as FUNCTION DUMP returns them.

NOTE(put back): whatever fails, the connection is cut first, as a server that loads refuses REPLICAOF; then
the server is made a primary again and its settings are put back. A watcher, a process in a session of its
own, does that where this process dies; where the whole machine does, the next run of the job, by what the
job has noted in the old data set.
"""
