"""``python -m scyan_exp`` is the console script."""

from scyan_exp.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
