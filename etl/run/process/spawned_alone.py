"""What a spawned worker of the command line imports first: see ``hide_libraries``."""

from etl.run.process.hide_libraries import hide_libraries

hide_libraries()
