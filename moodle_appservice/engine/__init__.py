"""The staircase: signals to keys, keys to workers, facts and mirror to plans, plans to requests and books."""
