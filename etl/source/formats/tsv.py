"""TSV: CSV with a tab between fields."""
