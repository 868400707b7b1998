"""`doctor`: named checks of what this service depends on, each with what was found and a hint for what to do.

`frame` runs them, `examined` is what they look at, the other modules hold the checks by subject, `checks` lists all.
"""
