"""`python -m roony` is the same as `roony`."""

from roony.cli import main

if __name__ == "__main__":
    main()
