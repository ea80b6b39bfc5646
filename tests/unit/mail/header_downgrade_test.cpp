#include "mail/header_downgrade.h"

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "support/catch.h"

namespace pop {
namespace {

std::string whole(std::string_view message) {
  HeaderDowngrade downgrade;
  std::string out;
  downgrade.feed(message, out);
  downgrade.finish(out);
  return out;
}

struct Row {
  std::string field, expected;
};

void hold(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.field);
    CHECK(downgraded_field(row.field + "\n") == row.expected + "\n");
    CHECK(downgraded_field(row.field) == row.expected);
    std::string with_cr = row.expected + "\n";
    for (std::size_t lf = with_cr.find('\n'); lf != std::string::npos;
         lf = with_cr.find('\n', lf + 2)) {
      with_cr.insert(lf, 1, '\r');
    }
    CHECK(downgraded_field(row.field + "\r\n") == with_cr);
  }
}

const std::string invalid = "<invalid@internationalized-address.invalid>";

const std::string letter =
    "Received: from a by b; Thu, 1 Jan 1970 00:00:00 +0000\n"
    "From: J\xc3\xb6rg <j\xc3\xb6rg@example.org>\n"
    "Subject: Gr\xc3\xbc\xc3\x9f"
    "e\n aus K\xc3\xb6ln\n"
    "X-Old: caf\xe9\n"
    "To: al@example.org\n"
    "\n"
    "Gr\xc3\xbc\xc3\x9f"
    "e\nSubject: \xc3\xbc\n";

}  // namespace

TEST_CASE("Fields in ASCII, in other sets, and what is no field pass as they are",
          "[mail][downgrade]") {
  hold({{"Subject: plain", "Subject: plain"},
        {"Subject: caf\xe9", "Subject: caf\xe9"},
        {"Subject: caf\xc3\xa9 caf\xe9", "Subject: caf\xc3\xa9 caf\xe9"},
        {"no field \xc3\xbc", "no field \xc3\xbc"},
        {"n\xc3\xbc: x", "n\xc3\xbc: x"},
        {": \xc3\xbc", ": \xc3\xbc"}});
}

TEST_CASE("Words of text are encoded, and no others", "[mail][downgrade]") {
  hold({{"Subject: \xc3\xbc", "Subject: =?UTF-8?B?w7w=?="},
        {"Subject: a \xc3\xbc b", "Subject: a =?UTF-8?B?w7w=?= b"},
        {"Subject: \xc3\xbc \xc3\xbc", "Subject: =?UTF-8?B?w7wgw7w=?="},
        {"subject:\xc3\xbc", "subject: =?UTF-8?B?w7w=?="},
        {"X-Any: \xc3\xbc <a@b>", "X-Any: =?UTF-8?B?w7w=?= <a@b>"}});
}

TEST_CASE("The blank beside a word that was encoded before is kept", "[mail][downgrade]") {
  hold({{"Subject: =?UTF-8?Q?a?= \xc3\xbc =?UTF-8?Q?b?=",
         "Subject: =?UTF-8?Q?a?= =?UTF-8?B?IMO8IA==?= =?UTF-8?Q?b?="}});
}

TEST_CASE("A long text becomes several encoded words, each of whole characters",
          "[mail][downgrade]") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "\xe2\x82\xac";
  const std::string field = downgraded_field("Subject: " + text + "\n");
  std::size_t words = 0;
  std::string_view rest = field;
  while (true) {
    const std::size_t begin = rest.find("=?UTF-8?B?");
    if (begin == std::string_view::npos) break;
    const std::size_t size = rest.substr(begin).find("?=") + 2;
    CHECK(size <= 75);
    rest.remove_prefix(begin + size);
    ++words;
  }
  CHECK(words == 7);  // 15 characters in each
  CHECK(field.find("\n =?UTF-8?B?") != std::string::npos);
}

TEST_CASE("Names beside addresses are encoded, and addresses stay", "[mail][downgrade]") {
  hold({{"From: J\xc3\xb6rg <jo@example.org>", "From: =?UTF-8?B?SsO2cmc=?= <jo@example.org>"},
        {"From: \"J\xc3\xb6rg, Z.\" <jo@example.org>",
         "From: =?UTF-8?B?SsO2cmcsIFou?= <jo@example.org>"},
        {"To: al@example.org, J\xc3\xb6rg <jo@example.org>, \"B, C\" <b@c>",
         "To: al@example.org, =?UTF-8?B?SsO2cmc=?= <jo@example.org>, \"B, C\" <b@c>"},
        {"Cc: jo@example.org (J\xc3\xb6rg)", "Cc: =?UTF-8?B?SsO2cmc=?= <jo@example.org>"},
        {"To: Gr\xc3\xbcne: a@b, c@d;, e@f", "To: =?UTF-8?B?R3LDvG5l?=: a@b, c@d;, e@f"}});
}

TEST_CASE("An internationalized address becomes one that is nobody's", "[mail][downgrade]") {
  hold({{"From: j\xc3\xb6@example.org", "From: =?UTF-8?B?asO2QGV4YW1wbGUub3Jn?=\n " + invalid},
        {"Sender: Jo <j\xc3\xb6@b>", "Sender: =?UTF-8?B?Sm8gPGrDtkBiPg==?=\n " + invalid},
        {"Return-Path: <j\xc3\xb6@b>", "Return-Path: =?UTF-8?B?PGrDtkBiPg==?=\n " + invalid},
        {"To: <\xc3\xb6@b", "To: =?UTF-8?B?PMO2QGI=?= " + invalid},
        {"To: \"\xc3\xb6, a@b", "To: =?UTF-8?B?w7YsIGFAYg==?= " + invalid}});
}

TEST_CASE("Parameters are encoded as RFC 2231 has it", "[mail][downgrade]") {
  hold(
      {{"Content-Type: text/plain; charset=utf-8; name=\"\xc3\xbc b.txt\"",
        "Content-Type: text/plain; charset=utf-8; name*=UTF-8''%C3%BC%20b.txt"},
       {"Content-Disposition: attachment; filename=\xc3\xbc; size=1",
        "Content-Disposition: attachment; filename*=UTF-8''%C3%BC; size=1"},
       {"Content-Disposition: attachment; \xc3\xbc=1; \xc3\xbc", "Content-Disposition: attachment"},
       {"Content-Type: t\xc3\xbc", "Downgraded-Content-Type: =?UTF-8?B?dMO8?="}});
  std::string name;
  for (int i = 0; i < 12; ++i) name += "\xc3\xbc";
  const std::string part = "%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC";
  CHECK(downgraded_field("Content-Type: a/b; name=" + name + "\n") ==
        "Content-Type: a/b;\n name*0*=UTF-8''" + part + ";\n name*1*=" + part.substr(0, 24) + "\n");
}

TEST_CASE("A field that may hold no encoded words is renamed", "[mail][downgrade]") {
  hold({{"Message-ID: <\xc3\xbc@b>", "Downgraded-Message-ID: =?UTF-8?B?PMO8QGI+?="},
        {"received: from \xc3\xbc by b", "Downgraded-received: from =?UTF-8?B?w7w=?= by b"}});
}

TEST_CASE("A message is downgraded up to its body", "[mail][downgrade]") {
  CHECK(whole(letter) ==
        "Received: from a by b; Thu, 1 Jan 1970 00:00:00 +0000\n"
        "From: =?UTF-8?B?SsO2cmcgPGrDtnJnQGV4YW1wbGUub3JnPg==?=\n " +
            invalid +
            "\n"
            "Subject: =?UTF-8?B?R3LDvMOfZQ==?= aus =?UTF-8?B?S8O2bG4=?=\n"
            "X-Old: caf\xe9\n"
            "To: al@example.org\n"
            "\n"
            "Gr\xc3\xbc\xc3\x9f"
            "e\nSubject: \xc3\xbc\n");
}

TEST_CASE("The downgrade is the same wherever the message is cut", "[mail][downgrade]") {
  const std::string expected = whole(letter);
  for (std::size_t cut = 0; cut <= letter.size(); ++cut) {
    HeaderDowngrade downgrade;
    std::string out;
    downgrade.feed(std::string_view{letter}.substr(0, cut), out);
    downgrade.feed(std::string_view{letter}.substr(cut), out);
    downgrade.finish(out);
    CAPTURE(cut);
    REQUIRE(out == expected);
  }
  HeaderDowngrade downgrade;
  std::string out;
  for (const char c : letter) downgrade.feed({&c, 1}, out);
  downgrade.finish(out);
  CHECK(out == expected);
}

TEST_CASE("A field that is too long passes, wherever it is cut", "[mail][downgrade]") {
  const std::string filler(HeaderDowngrade::longest_field, 'x');
  for (const std::string& message :
       {"Subject: \xc3\xbc" + filler + "\nTo: \xc3\xbc@b\n\n",
        "Subject: \xc3\xbc\n " + filler + "\n \xc3\xbc\nTo: \xc3\xbc@b\n\n",
        "Subject: \xc3\xbc" + filler}) {
    const std::string expected = whole(message);
    CHECK(expected.starts_with("Subject: \xc3\xbc"));
    CHECK(expected.find("To: \xc3\xbc") == std::string::npos);
    for (const std::size_t cut : {std::size_t{5}, std::size_t{20}, HeaderDowngrade::longest_field,
                                  HeaderDowngrade::longest_field + 1,
                                  HeaderDowngrade::longest_field + 12, message.size()}) {
      HeaderDowngrade downgrade;
      std::string out;
      const std::size_t first = std::min(cut, message.size());
      downgrade.feed(std::string_view{message}.substr(0, first), out);
      downgrade.feed(std::string_view{message}.substr(first), out);
      downgrade.finish(out);
      CAPTURE(cut);
      CHECK(out == expected);
    }
  }
}

TEST_CASE("Whatever UTF-8 stands in a field, ASCII comes out, and again the same",
          "[mail][downgrade]") {
  std::mt19937 random{6857};
  constexpr std::string_view names[] = {
      "From", "To", "Subject", "Content-Type", "Message-ID", "Content-Disposition", "X-Any"};
  constexpr std::string_view pieces[] = {"\xc3\xbc", "\"",  "<", ">", "(", ")",
                                         ",",        ";",   ":", "@", "=", "\\",
                                         " ",        "\n ", "a", "[", "]", "=?UTF-8?B?w7w=?=",
                                         "%"};
  for (int round = 0; round < 5000; ++round) {
    std::string field{names[random() % std::size(names)]};
    field += ": ";
    for (auto count = random() % 30; count > 0; --count)
      field += pieces[random() % std::size(pieces)];
    field += "\xc3\xbc\n";
    const std::string out = downgraded_field(field);
    CAPTURE(field);
    REQUIRE(is_plain_ascii(out));
    REQUIRE(out.ends_with('\n'));
    REQUIRE(downgraded_field(out) == out);
    for (std::size_t lf = out.find('\n'); lf + 1 < out.size(); lf = out.find('\n', lf + 1)) {
      REQUIRE(out[lf + 1] == ' ');  // no line of it is another field, or ends the header
      REQUIRE(out.substr(lf + 1, 2) != " \n");
    }
  }
}

}  // namespace pop
