"""Entry point of `python -m shoepair`, the same as the command `shoepair`."""

from shoepair.commands.main import main

if __name__ == "__main__":
    main()
