"""Other ways of doing the same work, each a program of its own."""
