"""The way back: what is asked of the server, and how its replies are compared with the source."""
