"""The command `segmenter`: `main` lists the verbs and the exit codes, each verb is a file of its name."""
