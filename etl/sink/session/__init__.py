"""One conversation with a server: the socket, both directions at once, coming back when it breaks."""
