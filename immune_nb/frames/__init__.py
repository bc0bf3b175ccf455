"""Rows to DataFrames: columns, dtypes, and the receipt that says whether they are whole."""
