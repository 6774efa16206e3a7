"""Hold the lock of a journal until it is killed."""

import sys
import time
from pathlib import Path

from scyan_exp.search.storage.journal import KernelLock

if __name__ == "__main__":
    lock = KernelLock(Path(sys.argv[1]))
    lock.acquire()
    print("held", flush=True)
    time.sleep(600)
