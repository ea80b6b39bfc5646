"""What each file must be on its own."""

import concurrent.futures
import os
import re
import subprocess


def is_proven_by_build(header, tree):
    """Its own source file, which the build compiles, has it before all else; and it comes once."""
    includes = re.findall(r'^#include [<"](.*)[>"]', tree.files.get(header[:-1] + "cpp", ""), re.M)
    return (includes[:1] == [header.removeprefix("common/")]
            and re.search(r"^#pragma once$", tree.files[header], re.M) is not None)


def check_headers(tree, root, compiler):
    """Each header compiles alone, and twice in one file."""
    headers = sorted(header for header in tree.matching(r"^(common|pop[a-z]+)/.*\.h$")
                     if not is_proven_by_build(header, tree))

    def compile_alone(header):
        shown = header.removeprefix("common/")
        done = subprocess.run(
            [compiler, "-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++",
             '-DPOPPER_VERSION="0"', f"-I{root}/common", f"-I{root}", "-"],
            input=f'#include "{shown}"\n#include "{shown}"\n', capture_output=True, text=True)
        if done.returncode == 0:
            return []
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        return [f"{header}: does not compile alone: {line}" for line in errors[:3]]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [finding for found in pool.map(compile_alone, headers) for finding in found]


def check_scripts(tree):
    found = []
    for path, text in tree.files.items():
        first = text.split("\n", 1)[0]
        if path.endswith(".py") or re.match(r"#!.*python", first):
            try:
                compile(text, path, "exec")
            except SyntaxError as error:
                found.append(f"{path}:{error.lineno}: {error.msg}")
        elif path.endswith(".sh") or re.match(r"#!.*\b(bash|sh)\b", first):
            read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
            found += [f"{path}: {line}" for line in read.stderr.splitlines()]
    return found


def check_names(tree):
    """A file's name says what it holds."""
    vague = re.compile(r"(^|_)(util|utils|misc|helper|helpers|manager|common|stuff|impl)(_|\.)")
    return [f"{path}: the name says nothing" for path in tree.sources()
            if vague.search(path.rsplit("/", 1)[1])]
