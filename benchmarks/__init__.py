"""Measurements that anybody can repeat. They start servers of their own on this machine's loopback,
in a temporary folder, and stop them."""
