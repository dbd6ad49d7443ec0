"""Reads a results folder and nothing else: tables, then statistics, then figures, then the report."""
