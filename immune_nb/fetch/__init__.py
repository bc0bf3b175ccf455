"""Asking: one request, its retries, and the pages of a list."""
