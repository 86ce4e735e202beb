"""Where records go. Only this package knows sockets and redis-py connections.

``address`` reads the URL, ``connection`` opens the socket (redis-py does TLS, authentication and database
selection), ``channel`` moves bytes, ``conversation`` keeps both directions going and checks every reply,
``replies`` says what an error reply means. One file a kind of deployment: ``standalone``.
"""
