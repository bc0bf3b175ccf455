"""The notebook floor: the magic, the login panel and what they show."""
