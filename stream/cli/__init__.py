"""The command `segmenter`: `main` has the exit codes, `verbs` the table of verbs, each a file of its name."""
