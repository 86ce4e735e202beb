"""The steps between the options of a verb and its report: resolve, preflight, plan, run, outcome."""
