"""coverage_test.py PRINTER COVERAGE SCENARIOS: the coverage of the documents is whole and true. Each name
that PRINTER prints has a row of its own in COVERAGE, and no other name has one; each row names a scenario
that there is, and that speaks of what it is said to prove."""

import ast
import glob
import os
import re
import subprocess
import sys

KINDS = {"Options": "option", "Switches": "switch", "Commands": "command"}


class Scenario:
    """The functions of a test file, and with what each of them works."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as stream:
            self.text = stream.read()
        self.parts, self.tests = {}, set()
        tree = ast.parse(self.text)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                self.add(node.name, node)
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.add(node.targets[0].id, node)
        for node in filter(lambda each: isinstance(each, ast.ClassDef), tree.body):
            self.tests |= {each.name for each in node.body
                           if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")}

    def add(self, name, node):
        used = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
        used |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        source = ast.get_source_segment(self.text, node)
        text, names = self.parts.get(name, ("", set()))
        self.parts[name] = (text + "\n" + source, names | used)

    def words_of(self, test):
        """The test with all of the file that it works with."""
        todo, seen = [test, "setUp", "setUpClass"], set()
        while todo:
            name = todo.pop()
            if name not in seen and name in self.parts:
                seen.add(name)
                todo.extend(self.parts[name][1])
        return "\n".join(self.parts[name][0] for name in sorted(seen))


def scenarios_in(folder):
    return {os.path.basename(path)[:-len("_test.py")]: Scenario(path)
            for path in glob.glob(os.path.join(folder, "*_test.py"))}


def sections_of(text):
    """Rows of the tables, by the heading above them: pairs of the first cell and the last one."""
    found, heading = {}, None
    for line in text.split("\n"):
        if line.startswith("## "):
            heading = line[3:].strip()
        elif line.startswith("|") and heading and not re.match(r"\|[ -]+\|", line):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found.setdefault(heading, []).append((cells[0], cells[-1]))
    return {heading: rows[1:] for heading, rows in found.items()}  # without the head


def pattern_for(kind, name):
    if kind == "option":
        return re.compile(r"(?<![\w-])(--)?" + re.escape(name).replace(r"\-", "[-_]") + r"(?![\w-])")
    if kind == "switch":
        letter, _, rest = name[1:].partition(" ")
        key = re.escape(rest) if rest.islower() else ""
        return re.compile(rf"""["' ]-[a-zA-Z]*{letter}.*?{key}""")
    return re.compile(rf"(?<![a-z]){re.escape(name)}(?![a-z])", re.IGNORECASE)


class Check:
    def __init__(self, scenarios):
        self.scenarios, self.wrong = scenarios, []

    def words_of_proofs(self, heading, subject, cell):
        """The source of each scenario that a row names."""
        found, proofs = [], re.findall(r"`(\w+)\.(test_\w+)`", cell)
        if not proofs:
            self.wrong.append(f"{heading}: {subject}: names no scenario")
        for file, test in proofs:
            if file in self.scenarios and test in self.scenarios[file].tests:
                found.append(self.scenarios[file].words_of(test))
            else:
                self.wrong.append(f"{heading}: {subject}: there is no scenario {file}.{test}")
        return found

    def look_at_names(self, heading, wanted, rows):
        kind = KINDS[heading]
        named = [re.sub(r"^`|`$", "", first) for first, _ in rows]
        for name in sorted(wanted - set(named)):
            self.wrong.append(f"{heading}: no row of {name}")
        for name in sorted(set(named) - wanted) + [each for each in set(named) if named.count(each) > 1]:
            self.wrong.append(f"{heading}: {name} should not have this row")
        for name, (_, cell) in zip(named, rows):
            for words in self.words_of_proofs(heading, name, cell):
                if not pattern_for(kind, name).search(words):
                    self.wrong.append(f"{heading}: {name}: a scenario of {cell} does not speak of it")

    def look_at_promises(self, heading, rows):
        """Where a promise sets options, switches and commands in code, its scenarios speak of each."""
        for first, cell in rows:
            if re.match(r"(not here|differs): [\w`]", cell):
                continue  # the row says what holds instead
            proofs = self.words_of_proofs(heading, first, cell)
            for word in re.findall(r"`([^`]+)`", first):
                pattern = re.compile(re.escape(word).replace(r"\-", "[-_]"), re.IGNORECASE)
                if not any(pattern.search(words) for words in proofs):
                    self.wrong.append(f"{heading}: {first}: no scenario speaks of {word}")


def main(printer, coverage, folder):
    printed = subprocess.run([printer], capture_output=True, text=True, check=True).stdout
    wanted = {kind: set() for kind in KINDS.values()}
    for line in printed.splitlines():
        kind, name = line.split(" ", 1)
        wanted[kind].add(name)
    with open(coverage, encoding="utf-8") as stream:
        sections = sections_of(stream.read())
    check = Check(scenarios_in(folder))
    for heading, kind in KINDS.items():
        check.look_at_names(heading, wanted[kind], sections.pop(heading, []))
    if not sections:
        check.wrong.append("there are no promises")
    for heading, rows in sections.items():
        check.look_at_promises(heading, rows)
    for complaint in check.wrong:
        print(f"{coverage}: {complaint}", file=sys.stderr)
    return 1 if check.wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
