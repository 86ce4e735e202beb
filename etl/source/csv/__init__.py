"""How CSV is parsed by columns: where records end, and what is in a block of them."""
