"""What pyproject.toml can't say: with SEGMENTER_COMPILED=1 the files in an event's way become C extensions.

    make compiled                              here, beside the sources; `make pure` takes them away again
    SEGMENTER_COMPILED=1 pip install --no-build-isolation .

Pure Python is what is shipped. Cython compiles the very same files, without a word changed or added for it: no types,
no directives in them, and every test passes on both. Needs a C compiler and requirements/compile.txt.
"""

import os
from pathlib import Path

from setuptools import Extension, setup

IN_AN_EVENTS_WAY = (
    "stream/core/*.py",
    "stream/codec/*.py",
    "stream/engine/task.py",
    "stream/engine/customers.py",
    "stream/engine/writing.py",
    "stream/rules/conversions.py",
    "stream/rules/explain.py",
)
DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # an annotation must not make a C integer of a Python one, which never overflows
    "binding": False,  # methods are called as often as they are: nobody asks them for their signature
}
FLAGS = ["-O2", "-g0", "-w"]  # -O3 takes longer and was no faster


def extensions() -> list[Extension]:
    from Cython.Build import cythonize

    files = sorted(path for pattern in IN_AN_EVENTS_WAY for path in Path().glob(pattern) if path.stem != "__init__")
    modules = [
        Extension(".".join(path.with_suffix("").parts), [path.as_posix()], extra_compile_args=FLAGS) for path in files
    ]
    compiled: list[Extension] = cythonize(modules, build_dir="build/cython", compiler_directives=DIRECTIVES, quiet=True)
    return compiled


setup(ext_modules=extensions() if os.environ.get("SEGMENTER_COMPILED") == "1" else [])
