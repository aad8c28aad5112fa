"""The native link and PSI modules of the `spu` wheel, without jax.

`import spu` runs spu/__init__.py, which imports jax, numpy and more: 600 MB on disk and 60 MB of memory that PSI does
not need. An empty package of the same name whose path is the wheel's folder lets the native parts load alone, so that
`pip install --no-deps spu` is enough.
"""
import os
import sys
import types


def load():
    """Returns (link, psi)."""
    if "spu" not in sys.modules:
        folders = [os.path.join(entry, "spu") for entry in sys.path]
        found = next((folder for folder in folders if os.path.exists(os.path.join(folder, "libpsi.so"))), None)
        if found is None:
            raise ImportError("the spu wheel is not installed for this Python: Scripts/setup --engine installs it")
        package = types.ModuleType("spu")
        package.__path__ = [found]
        sys.modules["spu"] = package
    from spu import libspu
    sys.modules["spu"].libspu = libspu
    sys.modules["spu"].link = libspu.link
    import spu.psi
    return libspu.link, spu.psi
