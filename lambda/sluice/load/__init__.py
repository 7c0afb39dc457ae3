"""Loading valid rows into a table of MySQL: its columns, its changes, the text that rows are loaded from."""
