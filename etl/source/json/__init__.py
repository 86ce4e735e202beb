"""How JSON text is parsed by columns."""
