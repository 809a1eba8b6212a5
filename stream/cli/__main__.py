"""`python -m stream.cli` is `segmenter`."""

from stream.cli.main import main

if __name__ == "__main__":
    main()
