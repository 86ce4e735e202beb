"""An RDB file of our own making: ``target`` is the file as a sink, ``session`` a worker's way into it.

NOTE(ranges). Workers write pieces of entries into ``FILE.partial``, each into a range of its own: the file is
made longer by the piece, under a lock, and the piece is written into what was added. What is written is noted
in ``FILE.journal`` together with the checkpoint that says that its blocks are complete, in one entry: so a
range that the journal has is whole, and of a block that no other range repeats. ``assemble`` makes an RDB
file of them: what lies between them, left by workers that were killed, becomes padding.
"""
