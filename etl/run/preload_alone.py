"""What the fork server of the command line imports: the same as any other, without pandas."""

from etl.run.pandas_hidden import hide_pandas

hide_pandas()  # before the first array is made

import etl.run.preload  # noqa: E402, F401
