"""``python -m scyan_exp`` is the console script."""

from scyan_exp.cli.main import process

if __name__ == "__main__":
    raise SystemExit(process())
