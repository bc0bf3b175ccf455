"""A keyring that a test can break."""

from __future__ import annotations

from keyring.backend import KeyringBackend

__all__ = ["Ring"]


class Ring(KeyringBackend):
    """A keyring in memory, which refuses to do what `refuses` names."""

    priority = 0  # so that keyring does not choose it by itself

    def __init__(self):
        super().__init__()
        self.held, self.refuses = {}, ""

    def get_password(self, service, name):
        self._may("get_password")
        return self.held.get((service, name))

    def set_password(self, service, name, text):
        self._may("set_password")
        self.held[service, name] = text

    def delete_password(self, service, name):
        self._may("delete_password")
        del self.held[service, name]

    def _may(self, verb):
        if verb in self.refuses:
            raise KeyError(f"not with {self.held}")
