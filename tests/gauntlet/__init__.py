"""The gauntlet, L01 to L47: a random secret, and every place it must not turn up in."""
