"""Arrow values as text and as JSON, and how large they are."""
