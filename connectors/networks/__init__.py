"""One file a network. A file put here is found by scanning and needs no mention anywhere else."""
