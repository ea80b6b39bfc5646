"""tool_documents_test.py PROGRAM MANUAL COMPLETION: what a program's help says of its subcommands and
their options stands in its manual page and in its completion, too. A program without subcommands has
options of its own. The page lists exit statuses in order, and its lines for cron work."""

import re
import subprocess
import sys


def help_of(program, *words):
    return subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True).stdout


def subcommands(text):
    """Names of the list behind "Subcommands:"."""
    _, _, listed = text.partition("Subcommands:\n")
    return re.findall(r"^  ([a-z][\w-]*)", listed, re.MULTILINE)


def options(text):
    """Long options, or the short one where there is no long one."""
    found = re.findall(r"^  (-\w)?,? *(--[\w-]+)?[ \n]", text, re.MULTILINE)
    return sorted({long or short for short, long in found if long or short})


def plain(manual):
    """The manual's words, its options as they are typed."""
    shown = subprocess.run(["mandoc", "-Tascii", "-Owidth=500", manual], capture_output=True,
                           text=True, check=True).stdout
    return re.sub(r".\x08", "", shown)


def exit_statuses(source):
    _, _, section = source.partition("\n.Sh EXIT STATUS\n")
    return [int(each) for each in re.findall(r"^\.It (\d+)$", section.partition("\n.Sh ")[0], re.MULTILINE)]


def main(program, manual, completion):
    missing = []
    page, completed = plain(manual), open(completion, encoding="utf-8").read()
    source = open(manual, encoding="utf-8").read()
    top = help_of(program)
    shared = set(options(top))

    def look_for(wanted, of):
        for option in wanted:
            for text, where in ((page, manual), (completed, completion)):
                if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text):
                    missing.append(f"{where}: {of} has {option}")

    for verb in subcommands(top):
        if not re.search(rf"^\.Ss {re.escape(verb)}$", source, re.MULTILINE):
            missing.append(f"{manual}: no section of {verb}")
        if not re.search(rf"(?<![\w-]){re.escape(verb)}(?![\w-])", completed):
            missing.append(f"{completion}: nothing of {verb}")
        look_for([option for option in options(help_of(program, verb)) if option not in shared], verb)
    if not subcommands(top):
        look_for(sorted(shared), "it")
    statuses = exit_statuses(source)
    if statuses != sorted(set(statuses)):
        missing.append(f"{manual}: exit statuses are not in order, each once: {statuses}")
    for line in re.findall(r"^(?:[\d*][\d*/,-]* ){5}.*\\e?$", source, re.MULTILINE):
        missing.append(f"{manual}: crontab(5) has no lines that go on: {line}")
    if not shared:
        missing.append(f"{program} --help lists no option")
    print("\n".join(missing), file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
