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


TOKEN = re.compile(
    r"[{};]|\bnamespace\b\s*([\w:]*)\s*(?=\{)"
    r"|\b(?:class|struct|union|enum(?:\s+(?:class|struct))?)\s+(\w+)\s*(?:final\s*)?(?=[:{])")


def types_of(text):
    """Types that a header defines, with their namespaces; those within types are left out."""
    text = re.sub(r'//.*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', "", text)
    found, around, next_brace = [], [], None
    for token in TOKEN.finditer(text):
        if token[0] == "{":
            around.append(next_brace)
            next_brace = None
        elif token[0] == "}":
            if around:
                around.pop()
        elif token[0] == ";":
            next_brace = None
        elif token[1] is not None:
            next_brace = token[1] or None
        else:
            if all(around):
                found.append("::".join([*around, token[2]]))
            next_brace = None
    return found


def check_type_names(tree):
    """One program may link what two headers define under one name, and no compiler would say so."""
    owners = {}
    for path, text in sorted(tree.matching(r"^(common|pop[a-z]+)/.*\.h$").items()):
        program = path.split("/", 1)[0]
        for name in set(types_of(text)):
            owners.setdefault(name, []).append((program, path))
    found = []
    for name, places in sorted(owners.items()):
        for index, (program, path) in enumerate(places):
            for other, other_path in places[:index]:
                if program == other or "common" in (program, other):
                    found.append(f"{path}: {other_path} has a type {name}, too")
    return found
