"""Listening tests: built as a page, answered by people, analysed with intervals."""
