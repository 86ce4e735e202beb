"""One file a database that runs queries; each is imported only where it is asked for."""
