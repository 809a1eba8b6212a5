"""Definitions text -> a checked tree -> a compiled program. Pure but for `load`, which reads the files.

`document`, `source`     strict YAML, every scalar with its place in the file
`expressions`, `walk`    an expression's text -> a parse tree, with exact places (grammar.lark)
`check`, `scopes`, ...   names and types resolved: the tree of `tree.py`; all errors of all files at once
`warnings`               what is legal and probably not meant
`needs`                  what must be kept of a customer so that every word can be answered
`compile`, `generate_*`  the tree -> Python source -> functions: fold an event, judge at an instant
`explain`                why an answer is what it is
`cases`                  the test cases beside the definitions, run through the same core

Nothing about a definition may first go wrong on an event: what can be refused is refused when it is loaded.
"""
