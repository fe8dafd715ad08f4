"""Turns words into parts and back: recipe, build, package, the runs behind the verbs. The only room that knows all the others."""
