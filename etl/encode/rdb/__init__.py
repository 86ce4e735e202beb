"""Values as Redis stores them (RDB): listpacks, ziplists, checksums, a probe for RESTORE; entries, files."""
