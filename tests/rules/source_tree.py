"""The files of the project as the rules see them."""

import os
import re
import subprocess

BINARY = re.compile(rb"\0")


def tracked(root):
    """Paths under version control; outside of a clone every file but build directories."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={root}", "-C", root, "ls-files", "-z", "--cached",
         "--others", "--exclude-standard"],
        capture_output=True)
    if listed.returncode == 0:
        return sorted(name for name in listed.stdout.decode().split("\0") if name)
    paths = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith("build") and f != ".git"]
        paths += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(paths)


class Tree:
    """Path to text. Fuzz corpora and golden files are data, not prose or code, and left out."""

    DATA = re.compile(r"^tests/(fuzz/.*corpus|golden|[^/]+/(data|samples))/|^LICENSE$")

    def __init__(self, files):
        self.files = files

    @classmethod
    def load(cls, root):
        files = {}
        for path in tracked(root):
            full = os.path.join(root, path)
            if cls.DATA.search(path) or not os.path.isfile(full):
                continue
            with open(full, "rb") as stream:
                content = stream.read()
            if not BINARY.search(content):
                files[path] = content.decode("utf-8", "replace")
        return cls(files)

    def matching(self, pattern):
        wanted = re.compile(pattern)
        return {path: text for path, text in self.files.items() if wanted.search(path)}

    def sources(self):
        """C++ of the product: the rooms and the programs."""
        return self.matching(r"^(common/|pop[a-z]+/).*\.(h|cpp)$")


def numbered(text):
    return enumerate(text.splitlines(), start=1)
