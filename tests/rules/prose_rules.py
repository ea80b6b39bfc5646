"""What documents, pages and comments must keep."""

import os
import re
import subprocess
import tempfile

from source_tree import numbered

UNOWNED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b(?!\()")
NUMBERED = re.compile(r"\b(issue|ticket|pull request|PR)s? #?\d+\b", re.IGNORECASE)

# Top directories of a Debian system, and a few that only appear as examples in tests and pages.
ABSOLUTE = re.compile(r"(?<![\w.~}$/>*)\]:<-])/([a-z]{3,})/[a-z.]")
TOP = set("bin boot dev etc home lib media mnt opt proc root run sbin srv sys tmp usr var".split())
EXAMPLE = set("no nowhere nonexistent mail spool data dir sub".split())


def check_notes(tree):
    """An open point names who will close it: the word, then (name)."""
    return [f"{path}:{line}: an open point without an owner"
            for path, text in tree.files.items()
            for line, content in numbered(text) if UNOWNED.search(content)]


def check_places(tree):
    """The tree speaks of itself and of a Debian system, and of no machine it was made on."""
    found = []
    for path, text in tree.files.items():
        for line, content in numbered(text):
            for top in ABSOLUTE.findall(content):
                if top not in TOP | EXAMPLE:
                    found.append(f"{path}:{line}: /{top}/ is no directory of a Debian system")
            if NUMBERED.search(content):
                found.append(f"{path}:{line}: a number that only a tracker can resolve")
    return found


def check_commands(tree):
    """Each `make X` that a document shows is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z][\w-]*):", tree.files["Makefile"], re.MULTILINE))
    found = []
    for path, text in tree.matching(r"^[A-Z]+\.md$").items():
        in_block = False
        for line, content in numbered(text):
            if content.startswith("```"):
                in_block = not in_block
                continue
            shown = [content] if in_block else re.findall(r"`([^`]*)`", content)
            for command in shown:
                for target in re.findall(r"(?:^|\s|&&)make ([a-z][\w-]*)", command):
                    if target not in targets:
                        found.append(f"{path}:{line}: the Makefile has no target {target}")
    return found


def check_links(tree):
    """Files that a document points to are there."""
    return [f"{path}:{line}: there is no {target}"
            for path, text in tree.matching(r"^[A-Z]+\.md$").items()
            for line, content in numbered(text)
            for target in re.findall(r"\]\(([^)#:]+)\)", content)
            if target not in tree.files and target != "LICENSE"]


def check_version(tree):
    version = re.search(r"project\([^)]*VERSION ([\d.]+)", tree.files["CMakeLists.txt"]).group(1)
    entry = re.compile(rf"^## {re.escape(version)}\b", re.MULTILINE)
    if entry.search(tree.files.get("CHANGELOG.md", "")):
        return []
    return [f"CHANGELOG.md: no entry for {version}"]


def check_packages(tree):
    """packages.txt is the only list: no document repeats a package with a command."""
    listed = re.findall(r"^(?:build|test|fuzz) (\S+)$", tree.files["packages.txt"], re.MULTILINE)
    found = [f"packages.txt: {name} twice" for name in sorted(set(listed)) if listed.count(name) > 1]
    for path, text in tree.matching(r"^[A-Z]+\.md$").items():
        for line, content in numbered(text):
            if "apt-get install" in content and any(f" {name}" in content for name in listed):
                found.append(f"{path}:{line}: packages stand in packages.txt")
    return found


def programs(tree):
    return sorted(path.split("/")[0] for path in tree.matching(r"^pop[a-z]+/CMakeLists\.txt$"))


def check_pages_exist(tree):
    return [f"man: no page for {program}" for program in programs(tree)
            if not tree.matching(rf"^man/{program}\.[1-8]$")]


def check_pages(tree):
    """mandoc reads each page without a warning."""
    pages = tree.matching(r"^man/.*\.[1-8]$")
    if not pages:
        return ["man: no page at all"]
    found = []
    for path, text in pages.items():
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, os.path.basename(path))
            with open(copy, "w", encoding="utf-8") as stream:
                stream.write(text)
            lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", copy],
                                  capture_output=True, text=True)
        found += [f"{path}: {line}" for line in lint.stdout.splitlines()]
        if lint.returncode != 0 and not lint.stdout:
            found.append(f"{path}: mandoc ended with {lint.returncode}: {lint.stderr.strip()}")
    return found
