"""`python -m mmasc` and the `mmasc` command."""

from mmasc.cli import main

if __name__ == "__main__":
    main()
