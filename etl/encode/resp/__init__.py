"""Columns to the bytes of RESP: commands, their templates, arguments by columns."""
