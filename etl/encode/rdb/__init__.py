"""Values as Redis stores them (RDB): listpacks, ziplists, checksums, and a probe whether they are taken."""
