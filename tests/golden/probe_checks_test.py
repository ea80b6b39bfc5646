"""probe_checks_test.py HEADER MANUAL: each check of popcheck server stands in its manual, in the same
order, with how bad a fault is."""

import re
import sys


def main(header, manual):
    with open(header, encoding="utf-8") as stream:
        table = re.findall(r'ProbeCheck\{"([a-z-]+)", ProbeLevel::\w+, CheckVerdict::(\w+),', stream.read())
    with open(manual, encoding="utf-8") as stream:
        section = stream.read().split("\n.Ss server\n", 1)[1].split("\n.S", 1)[0]
    listed = re.findall(r"^\.It Cm ([a-z-]+)(?: Pq (\w+))?$", section, re.MULTILINE)
    told = [(name, bad or "critical") for name, bad in listed]
    for missing in table:
        if missing not in told:
            print(f"{manual}: nothing of {missing[0]}, {missing[1]}", file=sys.stderr)
    return 0 if table and told == table else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
