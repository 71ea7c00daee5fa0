"""One file or package a network. What is put here is found by scanning and needs no mention anywhere else."""
