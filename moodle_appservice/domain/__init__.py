"""The pure part: facts and rules in, desired state and plans out. Nothing here waits, reads, writes or logs."""
