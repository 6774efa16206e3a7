"""Open new databases nearly when others do: a folder, its own number, how many there are, URLs."""

import random
import sys
import time
from pathlib import Path

from scyan_exp.search.storage.opening import open_storage


def main(folder: Path, own: str, n_openers: int, urls: list[str]) -> None:
    open_storage(f"sqlite:///{folder / own}.db")  # imports what it needs
    for i, url in enumerate(urls):
        (folder / f"{i}-{own}").touch()
        late = time.monotonic() + 10  # one has failed
        while len(list(folder.glob(f"{i}-*"))) < n_openers and time.monotonic() < late:
            pass
        time.sleep(random.uniform(0, 0.03))
        open_storage(url)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
