"""Sluice: checks, processes and accounts for every file that lands in the uploads bucket."""
