#include "pop3/language.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pop3/reply.h"
#include "support/catch.h"

namespace pop {
namespace {

using Messages = std::vector<std::pair<std::string, std::string>>;

void append_number(std::string& octets, std::size_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8)
    octets += static_cast<char>(value >> shift & 0xff);
}

/// As msgfmt writes them, but for the hash table.
std::string catalogue_of(const Messages& messages) {
  constexpr std::size_t head = 28;
  const std::size_t count = messages.size();
  std::string texts, rows_of_texts, rows_of_translations;
  const std::size_t texts_at = head + 16 * count;
  const auto put = [&](std::string& rows, const std::string& text) {
    append_number(rows, text.size());
    append_number(rows, texts_at + texts.size());
    texts += text + '\0';
  };
  for (const auto& [text, translation] : messages) put(rows_of_texts, text);
  for (const auto& [text, translation] : messages) put(rows_of_translations, translation);
  std::string octets;
  for (const std::size_t number : {std::size_t{0x950412de}, std::size_t{0}, count, head,
                                   head + 8 * count, std::size_t{0}, std::size_t{0}}) {
    append_number(octets, number);
  }
  return octets + rows_of_texts + rows_of_translations + texts;
}

const Messages few{
    {"", "Language: de\nX-Language-Name: Deutsch\n"},
    {"Message {} has been deleted.", "Nachricht {} ist gelöscht."},
    {"The deleted messages were not removed. {}", "Die Nachrichten sind noch da. {}"},
    {"No room on the server's disk or in the quota.", "Kein Platz."},
    {"Password supplied for \"{}\" is incorrect.", "Das Passwort für „{}“ ist falsch."},
    {"{} has {} visible messages ({} hidden) in {} octets.",
     "{} hat {} sichtbare Nachrichten ({} verborgen) in {} Oktetten."},
    {"{} octets", "{} Oktette"},
    {"Unknown {} argument: {}", "Unbekanntes Argument für {}: {}"},
    {"no big woop", "schon gut"},
};

Language german(const Messages& messages = few) {
  Result<Language> language = Language::from_catalogue("de", catalogue_of(messages));
  REQUIRE(language);
  return std::move(*language);
}

}  // namespace

TEST_CASE("A catalogue tells its language's own name", "[pop3][language]") {
  CHECK(german().tag() == "de");
  CHECK(german().name() == "Deutsch");
}

TEST_CASE("Replies are translated around what was put in", "[pop3][language]") {
  const Language language = german();
  CHECK(language.translated(reply::deleted(MessageNumber{7})) ==
        "+OK Nachricht 7 ist gelöscht.\r\n");
  CHECK(language.translated(reply::nothing_done()) == "+OK schon gut\r\n");
  CHECK(language.translated(reply::retrieval(WireOctets{120})) == "+OK 120 Oktette\r\n");
  CHECK(language.translated(reply::not_a_number(Verb::retr, "x", 1)) ==
        "-ERR Unbekanntes Argument für RETR: x\r\n");
}

TEST_CASE("A response code stays where it stands", "[pop3][language]") {
  CHECK(german().translated(reply::password_incorrect("jo")) ==
        "-ERR [AUTH] Das Passwort für „jo“ ist falsch.\r\n");
}

TEST_CASE("A sentence that is put into another is translated, too", "[pop3][language]") {
  CHECK(german().translated(reply::not_updated({Errc::full, "x"})) ==
        "-ERR [" + std::string{consequence_of(Errc::full).response_code} +
            "] Die Nachrichten sind noch da. Kein Platz.\r\n");
}

TEST_CASE("What has no translation stays as it is", "[pop3][language]") {
  const Language language = german();
  for (const std::string text : {"+OK 2 320\r\n", "-ERR [X] unheard of\r\n",
                                 "+ PDEuMkBob3N0Pg==\r\n", "+OK\r\n", "", "\r\n"}) {
    CHECK(language.translated(text) == text);
  }
  CHECK(Language{"en", "English"}.translated(reply::nothing_done()) == reply::nothing_done());
}

TEST_CASE("Only the first line of a listing is translated", "[pop3][language]") {
  CHECK(german().translated("+OK no big woop\r\n1 octets\r\nno big woop\r\n.\r\n") ==
        "+OK schon gut\r\n1 octets\r\nno big woop\r\n.\r\n");
}

TEST_CASE("A user name with the words of a reply moves no number", "[pop3][language]") {
  const std::string name = "a has 9 visible messages (9 hidden) in 9 octets.";
  CHECK(german().translated(reply::welcome(name, {2, WireOctets{640}}, 0)) ==
        "+OK " + name + " hat 2 sichtbare Nachrichten (0 verborgen) in 640 Oktetten.\r\n");
}

TEST_CASE("A translated line is cut to 512 octets, and no character is halved",
          "[pop3][language]") {
  const Language language =
      german({{"Message {} has been deleted.", std::string(253, 'a') + "{}ööööö"},
              {"no big woop", []() {
                 std::string text = "x";
                 while (text.size() < 600) text += "ö";
                 return text;
               }()}});
  const std::string line = language.translated(reply::nothing_done());
  CHECK(line.size() <= reply::longest_line);
  CHECK(line.size() >= reply::longest_line - 1);
  CHECK(line.ends_with("ö\r\n"));
}

TEST_CASE("What is no catalogue is refused, wherever it is cut", "[pop3][language]") {
  const std::string whole = catalogue_of(few);
  const std::size_t last_text = whole.size() - 1;  // its NUL may go
  for (std::size_t size = 0; size < last_text; ++size) {
    CAPTURE(size);
    const Result<Language> cut =
        Language::from_catalogue("de", std::string_view{whole}.substr(0, size));
    REQUIRE_FALSE(cut);
    CHECK(cut.error().code == Errc::corrupt);
  }
  std::string endless = whole;
  endless[11] = '\x7f';  // messages
  CHECK_FALSE(Language::from_catalogue("de", endless));
  std::string outside = whole;
  outside[31] = '\x7f';  // size of the first text
  CHECK_FALSE(Language::from_catalogue("de", outside));
}

TEST_CASE("A translation that would break a reply is refused", "[pop3][language]") {
  for (const std::string translation :
       {"Nachricht gelöscht.", "{} {} gelöscht.", "{}\r\n+OK", "{} gel\xf6scht."}) {
    CAPTURE(translation);
    CHECK_FALSE(Language::from_catalogue(
        "de", catalogue_of({{"Message {} has been deleted.", translation}})));
  }
}

TEST_CASE("A language range finds the language or a wider one", "[pop3][language]") {
  Languages languages;
  languages.add(german());
  const auto tag_of = [&languages](std::string_view range) {
    const Language* const found = languages.wanted(range);
    return found == nullptr ? "none" : found->tag();
  };
  CHECK(tag_of("de") == "de");
  CHECK(tag_of("DE") == "de");
  CHECK(tag_of("de-AT-1996") == "de");
  CHECK(tag_of("en-GB") == "en");
  CHECK(tag_of("i-default") == "i-default");
  CHECK(tag_of("*") == "en");
  for (const std::string_view wrong :
       {"fr", "d", "", "de-", "-de", "de--AT", "deutschland", "de_AT", "d\xc3\xa9", "**", "../de",
        "de-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa-a"}) {
    CAPTURE(wrong);
    CHECK(tag_of(wrong) == "none");
  }
}

TEST_CASE("A catalogue takes the place of one with the same tag", "[pop3][language]") {
  Languages languages;
  const std::size_t before = languages.all().size();
  languages.add(german());
  languages.add(german());
  CHECK(languages.all().size() == before + 1);
  CHECK(reply::language_listing(languages) ==
        "+OK Languages follow.\r\nen English\r\ni-default English\r\nde Deutsch\r\n.\r\n");
}

}  // namespace pop
