"""Definitions text -> a checked tree -> a compiled program. Pure but for `load`, which reads the files.

`load`        files or texts -> definitions; `stored`: those that were deployed before
`document`    strict YAML, every scalar with its place in the file; `sections`, `fields`: what stands where in it
    `not_yaml`: what is wrong with a file that is none
`expressions`, `literals`    an expression's text -> a parse tree, with exact places
    `grammar`: the parser of grammar.lark, and its tables worked out before
    `hints`: what to write instead where a text breaks off; `characters`: open brackets, characters that nobody sees
`check`       names and types resolved, all errors of all files at once -> the tree of `tree` (`walk` goes through it)
    by block: `declarations`, `stages`, `segments`, `cases_file`
    of expressions: `check_expression`, `functions`, `history`, `comparisons`, `types`, `scopes`, `world`, `names`
    what refers to what, what can hold at all: `order`, `reach`, `absence`; what is wrong: `problems`
`warnings`    what is legal and probably not meant
`needs`       what must be kept of a customer so that every word can be answered; `patterns`: by shapes of comparisons
    from it: `state_size`, `lookback`, `resting`, and `asks`, what each condition needs of it
`compile`     the tree -> Python source (`source`) -> functions: fold an event, judge at an instant
    `generate_fold`, `generate_judge`, `generate_conditions`, `generate_values`; called by it: `values`, `conversions`
    instants without a closed form: `turning`
`explain`     why an answer is what it is; `generate_told` writes the source of it
`cases`       the test cases beside the definitions, run through the same core
`canonical`   what a tree means, as text: for hashes; `compare`: two revisions side by side

Nothing about a definition may first go wrong on an event: what can be refused is refused when it is loaded.
"""
