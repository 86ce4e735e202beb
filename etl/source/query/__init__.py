"""``--sql``: the rows of a query. One file a database in ``databases/``."""
