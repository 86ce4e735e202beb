"""Where records go. Only this package knows sockets and redis-py connections.

``choose`` is the door: from a URL to a target. ``address`` and ``login`` read it, ``deployments/`` has a file
a kind of deployment, ``session/`` is one conversation, ``control`` the connection for questions,
``preflight/`` looks before the load, ``error_replies`` says what an error reply means.
"""
