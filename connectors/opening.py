"""From a channel's row to its connector: opens the sealed secrets, gives the network its seam, and renews access under a lease."""
