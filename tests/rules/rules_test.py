#!/usr/bin/env python3
"""Each rule finds what it forbids, and leaves the rest alone."""

import unittest

import code_rules
import include_rules
import prose_rules
from source_tree import Tree


def findings(rule, files):
    return rule(Tree(files))


class IncludeRules(unittest.TestCase):
    def test_rooms_include_downwards_only(self):
        for path, header, allowed in [
            ("common/base/a.h", "base/b.h", True),
            ("common/base/a.h", "log/log.h", False),
            ("common/mail/a.cpp", "base/b.h", True),
            ("common/mail/a.cpp", "conf/settings.h", False),
            ("common/store/a.cpp", "mail/b.h", True),
            ("common/store/a.cpp", "auth/account.h", False),
            ("common/store/a.cpp", "popper/gate.h", False),
            ("common/daemon/a.cpp", "auth/account.h", True),
            ("common/daemon/a.cpp", "popper/gate.h", False),
            ("common/auth/a.cpp", "daemon/listener.h", False),
            ("popper/gate.cpp", "store/maildrop.h", True),
            ("popper/gate.cpp", "popper/gate.h", True),
            ("popper/gate.cpp", "popauth/add.h", False),
            ("common/store/a.cpp", "maildrop.h", False),
        ]:
            with self.subTest(path=path, header=header):
                found = findings(include_rules.check_map, {path: f'#include "{header}"\n'})
                self.assertEqual(found == [], allowed)

    def test_includes_are_linked(self):
        cmake = "pop_room(base USES x)\npop_room(mail USES pop_base)\npop_room(store USES pop_mail)\n"
        good = {"common/CMakeLists.txt": cmake, "common/store/a.cpp": '#include "base/b.h"\n'}
        bad = {"common/CMakeLists.txt": cmake, "common/store/a.cpp": '#include "conf/b.h"\n'}
        upside_down = {"common/CMakeLists.txt": "pop_room(mail USES pop_store)\n"}
        self.assertEqual(findings(include_rules.check_links, good), [])
        self.assertEqual(len(findings(include_rules.check_links, bad)), 1)
        self.assertEqual(len(findings(include_rules.check_links, upside_down)), 1)

    def test_libraries_stay_with_their_owners(self):
        for path, header, allowed in [
            ("common/dbm/dbm_file.cpp", "gdbm.h", True),
            ("common/auth/credential_db.cpp", "gdbm.h", False),
            ("common/auth/apop.cpp", "openssl/evp.h", True),
            ("common/auth/apop.h", "openssl/evp.h", False),
            ("common/auth/apop.cpp", "openssl/ssl.h", False),
            ("popper/keeper.cpp", "security/pam_appl.h", False),
            ("common/auth/pam_transaction.h", "security/pam_appl.h", True),
            ("common/auth/sasl_server.cpp", "sasl/sasl.h", True),
            ("common/auth/sasl_client.cpp", "sasl/sasl.h", True),
            ("popper/keeper.cpp", "sasl/sasl.h", False),
            ("popper/main.cpp", "CLI/CLI.hpp", False),
            ("common/base/text.h", "fmt/format.h", False),
            ("common/base/text.cpp", "fmt/format.h", True),
        ]:
            with self.subTest(path=path, header=header):
                found = findings(include_rules.check_libraries, {path: f"#include <{header}>\n"})
                self.assertEqual(found == [], allowed)

    def test_pure_rooms_see_neither_file_nor_clock(self):
        for path, line, allowed in [
            ("common/mail/a.cpp", "#include <unistd.h>", False),
            ("common/pop3/a.cpp", '#include "base/fd.h"', False),
            ("common/pop3/a.cpp", "auto t = std::chrono::system_clock::now();", False),
            ("common/mail/a.h", "std::chrono::system_clock::time_point when", True),
            ("common/store/a.cpp", "#include <unistd.h>", True),
        ]:
            with self.subTest(path=path, line=line):
                found = findings(include_rules.check_purity, {path: line + "\n"})
                self.assertEqual(found == [], allowed)


class ProseRules(unittest.TestCase):
    def test_open_points_need_an_owner(self):
        word = "TO" + "DO"
        self.assertEqual(findings(prose_rules.check_notes, {"a.cpp": f"// {word}(ann): x\n"}), [])
        self.assertEqual(len(findings(prose_rules.check_notes, {"a.cpp": f"// {word}: x\n"})), 1)

    def test_only_places_of_a_debian_system(self):
        for line, allowed in [
            ("see /var/mail/jo", True),
            ("https://example.org/path/x", True),
            ("and/or/not", True),
            ("see /" + "workshop/main", False),
            ("as issue " + "12 says", False),
        ]:
            with self.subTest(line=line):
                self.assertEqual(findings(prose_rules.check_places, {"a": line}) == [], allowed)

    def test_documents_show_targets_that_exist(self):
        makefile = "run:\n\ncheck: build\n"
        for readme, allowed in [("`make run`", True), ("`make fly`", False),
                                ("```\nmake check\n```", True), ("```\nmake fly\n```", False),
                                ("to make sure", True)]:
            with self.subTest(readme=readme):
                found = findings(prose_rules.check_commands,
                                 {"Makefile": makefile, "README.md": readme})
                self.assertEqual(found == [], allowed)

    def test_links_lead_somewhere(self):
        for readme, allowed in [("[a](man/x.8)", True), ("[a](man/y.8)", False),
                                ("[a](https://example.org/)", True)]:
            found = findings(prose_rules.check_links, {"README.md": readme, "man/x.8": ""})
            self.assertEqual(found == [], allowed)

    def test_the_version_has_an_entry(self):
        cmake = "project(p VERSION 1.2.3 LANGUAGES CXX)"
        for log, allowed in [("## 1.2.3 (x)\n", True), ("## 1.2.4\n", False), ("", False)]:
            found = findings(prose_rules.check_version,
                             {"CMakeLists.txt": cmake, "CHANGELOG.md": log})
            self.assertEqual(found == [], allowed)

    def test_packages_stand_in_one_place(self):
        listed = "build cmake\n"
        for readme, allowed in [("apt-get install make", True), ("apt-get install cmake", False)]:
            found = findings(prose_rules.check_packages,
                             {"packages.txt": listed, "README.md": readme})
            self.assertEqual(found == [], allowed)
        twice = {"packages.txt": listed + "test cmake\n"}
        self.assertEqual(len(findings(prose_rules.check_packages, twice)), 1)

    def test_programs_have_pages_that_mandoc_likes(self):
        page = ".Dd $Mdocdate$\n.Dt X 8\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n"
        self.assertEqual(
            len(findings(prose_rules.check_pages_exist, {"popx/CMakeLists.txt": ""})), 1)
        self.assertEqual(findings(prose_rules.check_pages_exist,
                                  {"popx/CMakeLists.txt": "", "man/popx.8": page}), [])
        self.assertTrue(findings(prose_rules.check_pages, {"man/popx.8": page + ".Xyzzy\n"}))
        self.assertTrue(findings(prose_rules.check_pages, {}))


class CodeRules(unittest.TestCase):
    def test_scripts_parse(self):
        for path, text, allowed in [
            ("a.py", "x = 1\n", True), ("a.py", "x = (\n", False),
            ("run", "#!/usr/bin/env bash\ntrue\n", True),
            ("run", "#!/usr/bin/env bash\nif true\n", False),
        ]:
            with self.subTest(path=path, text=text):
                self.assertEqual(findings(code_rules.check_scripts, {path: text}) == [], allowed)

    def test_file_names_say_something(self):
        self.assertEqual(len(findings(code_rules.check_names, {"common/base/string_util.h": ""})), 1)
        self.assertEqual(findings(code_rules.check_names, {"common/base/text.h": ""}), [])

    def test_a_type_has_one_owner(self):
        verdict = "namespace pop {\nenum class Verdict { yes };\n}\n"
        for files, allowed in [
            ({"common/ipc/a.h": verdict, "common/bull/b.h": verdict}, False),
            ({"common/ipc/a.h": verdict, "popper/b.h": verdict}, False),
            ({"popper/a.h": verdict, "popper/b.h": verdict}, False),
            ({"popauth/a.h": verdict, "popper/b.h": verdict}, True),
            ({"common/ipc/a.h": verdict, "common/bull/b.h": "namespace pop { struct Verdict; }"},
             True),
            ({"common/ipc/a.h": verdict,
              "common/bull/b.h": "namespace pop { struct A final : B { struct Verdict { }; }; }"},
             True),
            ({"common/ipc/a.h": verdict,
              "common/bull/b.h": "namespace pop { namespace other { class Verdict {}; } }"}, True),
        ]:
            with self.subTest(files=files):
                self.assertEqual(findings(code_rules.check_type_names, files) == [], allowed)

    def test_a_header_brings_what_it_uses(self):
        import os
        import shutil
        import tempfile
        compiler = shutil.which("c++")
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(f"{root}/common/base")
            for name, text in [("good.h", "#pragma once\n#include <string>\nstd::string f();\n"),
                               ("bad.h", "#pragma once\nstd::string f();\n"),
                               ("twice.h", "#include <string>\nstruct S {};\n"),
                               ("twice.cpp", '#include "base/twice.h"\n'),
                               ("late.h", "#pragma once\nstd::string f();\n"),
                               ("late.cpp", '#include <string>\n#include "base/late.h"\n')]:
                with open(f"{root}/common/base/{name}", "w") as stream:
                    stream.write(text)
            tree = Tree.load(root)
            found = code_rules.check_headers(tree, root, compiler)
        self.assertEqual(sorted({finding.split(":")[0] for finding in found}),
                         ["common/base/bad.h", "common/base/late.h", "common/base/twice.h"])


if __name__ == "__main__":
    unittest.main()
