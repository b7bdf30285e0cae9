"""End this process when its parent is gone."""

import os
import threading

LOOK_EVERY_S = 0.5


def end_with_parent(parent: int) -> None:
    """From now on, this process ends at once (exit code 1) when `parent` is no longer its parent.

    For processes that are started by somebody else's code; our own go through `embedded.guardian`.
    """

    def look() -> None:
        while not threading.Event().wait(LOOK_EVERY_S):
            if os.getppid() != parent:
                os._exit(1)

    threading.Thread(target=look, name="leash", daemon=True).start()
