"""What a server says of itself, what of it refuses a load, and its memory meanwhile."""
