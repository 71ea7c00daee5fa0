"""What the networks of one house share: its Graph interface, its app's sign-in and hooks, its private messages."""
