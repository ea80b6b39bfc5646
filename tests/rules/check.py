#!/usr/bin/env python3
"""check.py ROOT COMPILER RULE: prints what breaks the rule, one finding a line; exit 1 if any."""

import sys

import code_rules
import include_rules
import prose_rules
from source_tree import Tree

RULES = {
    "include-map": include_rules.check_map,
    "linked-rooms": include_rules.check_links,
    "confined-libraries": include_rules.check_libraries,
    "pure-rooms": include_rules.check_purity,
    "scripts": code_rules.check_scripts,
    "file-names": code_rules.check_names,
    "type-names": code_rules.check_type_names,
    "open-points": prose_rules.check_notes,
    "places": prose_rules.check_places,
    "commands": prose_rules.check_commands,
    "links": prose_rules.check_links,
    "version": prose_rules.check_version,
    "packages": prose_rules.check_packages,
    "pages-exist": prose_rules.check_pages_exist,
    "pages": prose_rules.check_pages,
}


def main(root, compiler, rule):
    tree = Tree.load(root)
    if not tree.sources():
        print(f"{root}: no sources here")
        return 1
    if rule == "headers":
        found = code_rules.check_headers(tree, root, compiler)
    else:
        found = RULES[rule](tree)
    print("\n".join(found) if found else f"{rule}: {len(tree.files)} files, nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
