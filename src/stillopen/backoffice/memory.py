"""How the server's garbage collector is set: a batch of a thousand sales makes half a million objects, all of
them gone with it, and looking through them and through Django's own again and again took a tenth of its time."""

import gc

#: New objects between two looks, and how many looks there are before the older ones are looked at too.
_THRESHOLDS = (50_000, 20, 50)


def settle() -> None:
    """Once all is loaded: what is there now stays, and is not looked at any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
