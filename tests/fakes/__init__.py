"""Small servers that stand in for networks. Each keeps a ledger of what was really asked and made."""
