"""Every reply has its translations, and no translation is of a text that is gone.

translations_test.py SOURCE_TREE
"""

import pathlib
import re
import subprocess
import sys
import unittest

TREE = pathlib.Path(sys.argv.pop(1))
SOURCES = ["common/pop3/reply.cpp", "common/pop3/capabilities.cpp", "common/store/session_lock.cpp"]
CALLS = ["ok", "err", "format", "translatable"]
WORD = re.compile(r"[A-Za-z]{3}")
STATUS = re.compile(r"[+-](OK|ERR)\b")


def messages(text):
    """A catalogue's (msgid, msgstr), each with its escapes."""
    found = []
    for entry in re.split(r"\n\s*\n", text):
        if match := re.search(r'^msgid "(.*)"\nmsgstr "(.*)"', entry, re.M):
            found.append(match.groups())
    return found


def run(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, cwd=TREE).stdout


def texts_of_code():
    keywords = [f"-k{call}" for call in CALLS]
    text = run("xgettext", "--from-code=UTF-8", "--language=C++", "-k", *keywords, "--no-wrap",
               "--omit-header", "--output=-", *SOURCES)
    return {msgid for msgid, _ in messages(text) if WORD.search(msgid) and not STATUS.match(msgid)}


def catalogues():
    return sorted((TREE / "po").glob("*.po"))


def translations_of(catalogue):
    text = run("msgattrib", "--no-obsolete", "--no-fuzzy", "--no-wrap", str(catalogue))
    return {msgid: msgstr for msgid, msgstr in messages(text) if msgid}


class Translations(unittest.TestCase):
    def test_there_are_texts_and_catalogues(self):
        self.assertGreater(len(texts_of_code()), 60)
        self.assertIn("de.po", [catalogue.name for catalogue in catalogues()])

    def test_gettext_finds_no_fault(self):
        for catalogue in catalogues():
            run("msgfmt", "--check", "--output-file=/dev/null", str(catalogue))

    def test_each_text_has_its_translation_and_none_is_left_over(self):
        texts = texts_of_code()
        for catalogue in catalogues():
            translated = {msgid for msgid, msgstr in translations_of(catalogue).items() if msgstr}
            self.assertEqual(texts - translated, set(), f"{catalogue.name} lacks these")
            self.assertEqual(translated - texts, set(), f"the code has not these of {catalogue.name}")

    def test_translations_put_in_as_much_as_their_texts(self):
        for catalogue in catalogues():
            for msgid, msgstr in translations_of(catalogue).items():
                self.assertEqual(msgid.count("{}"), msgstr.count("{}"), msgid)

    def test_numbers_that_clients_look_for_come_first(self):
        for catalogue in catalogues():
            for msgid, msgstr in translations_of(catalogue).items():
                if msgid.startswith("{}"):
                    self.assertTrue(msgstr.startswith("{}"), msgid)


if __name__ == "__main__":
    unittest.main()
