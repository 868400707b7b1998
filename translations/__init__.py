"""Collects the texts of the code into the catalogues of `moodle_appservice/languages` and compiles them."""
