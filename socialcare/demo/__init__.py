"""A network of our own that talks: for trying the product without any account, for stories and for tests."""
