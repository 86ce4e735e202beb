"""Values as Redis stores them (RDB): listpacks, ziplists, checksums, a probe whether they are taken; RDB files."""
