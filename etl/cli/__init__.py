"""The command line: argv in, text or JSON out, an exit code."""
