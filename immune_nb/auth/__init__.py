"""Who: secrets, the schemes that sign with them, and the protocol that renews them."""
