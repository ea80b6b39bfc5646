#include "mail/unique_id.h"

#include <string>
#include <vector>

#include "support/catch.h"

using namespace pop;

namespace {

constexpr std::string_view separator = "From jo@example.org Thu Jan  1 00:00:00 1970";
const std::vector<std::string> header{"Return-Path: <a@b>", "Received: from x",
                                      "\tby y; Thu",        "Date: Thu, 1 Jan 1970 00:00:00 +0000",
                                      "From: a@b",          "SUBJECT: hi",
                                      "Message-ID: <1@x>"};

std::string id_of(UniqueIdMaker& maker, std::string_view from_line,
                  const std::vector<std::string>& lines) {
  maker.begin(from_line);
  for (const std::string& line : lines) maker.header_line(line);
  return maker.finish();
}

std::string id_of(UniqueIdRecipe recipe, const std::vector<std::string>& lines,
                  std::string_view from_line = separator) {
  UniqueIdMaker maker{recipe};
  return id_of(maker, from_line, lines);
}

}  // namespace

// The expected values were computed with Python's hashlib from the recipes in unique_id.h.
TEST_CASE("Each recipe gives the id that its description says", "[mail][uid]") {
  CHECK(id_of(UniqueIdRecipe::native, header) == "e4d7c2b57d65298560adf2f37f9d64f5");
  CHECK(id_of(UniqueIdRecipe::qpopper_old, header) == "a12b01a818c172700867723242be5170");
  CHECK(id_of(UniqueIdRecipe::qpopper, header) == R"(J@##!\Pn"!h/B!!5>@!!)");
}

TEST_CASE("A native id depends on nothing that a server rewrites", "[mail][uid]") {
  const std::string id = id_of(UniqueIdRecipe::native, header);
  CHECK(id_of(UniqueIdRecipe::native, header, "") == id);
  std::vector<std::string> rewritten{"X-UIDL: abc", " continued", "status \t: RO"};
  rewritten.insert(rewritten.end(), header.begin(), header.end());
  rewritten.insert(rewritten.end(), {"X-Status: A", "Content-Length: 5", "Lines: 1", "X-UID: 7",
                                     "X-Keywords: x", "Delivered-To: jo", "\tx"});
  CHECK(id_of(UniqueIdRecipe::native, rewritten) == id);
  std::vector<std::string> blanks = header;
  blanks[5] = "subject : hi";
  CHECK(id_of(UniqueIdRecipe::native, blanks) == id);
}

TEST_CASE("A native id depends on every named field and its continuation lines", "[mail][uid]") {
  const std::string id = id_of(UniqueIdRecipe::native, header);
  for (std::size_t i = 1; i < header.size(); ++i) {
    std::vector<std::string> changed = header;
    changed[i] += "x";
    CAPTURE(header[i]);
    CHECK(id_of(UniqueIdRecipe::native, changed) != id);
  }
}

TEST_CASE("A native id without a named field is made of all lines but bookkeeping", "[mail][uid]") {
  constexpr std::string_view expected = "d44df92ec471057dfd1689f8b4468fd7";
  CHECK(id_of(UniqueIdRecipe::native,
              {"Return-Path: <a@b>", "X-Mailer: y", " z", "no colon here"}) == expected);
  CHECK(id_of(UniqueIdRecipe::native,
              {"Status: O", "\tcontinued", "Return-Path: <a@b>", "X-UIDL: 1", "X-Mailer: y", " z",
               "X-UID: 1", "no colon here"}) == expected);
  CHECK(id_of(UniqueIdRecipe::native, {}) == "e3b0c44298fc1c149afbf4c8996fb924");
}

TEST_CASE("Qpopper ids follow its reading of lines", "[mail][uid]") {
  const auto old = [](const std::string& line) {
    return id_of(UniqueIdRecipe::qpopper_old, {line});
  };
  CHECK(old(std::string{"Subject: a\0b", 12}) == "c8cbf1f406528979e735a61d33257470");
  const std::string longest = "Subject: " + std::string(1023 - 9, 'x');  // one piece without LF
  CHECK(old(longest) == "81622b9c1321de58da49cab3ae386211");
  CHECK(old(longest + "Date: y") == "81622b9c1321de58da49cab3ae386211");
  CHECK(old(longest.substr(0, 1022)) == "ac739a216dcf552083d223a3d7f6dc3c");
  const std::string none = id_of(UniqueIdRecipe::qpopper_old, {});
  CHECK(old("\tReceived: continuation") == none);
  CHECK(old("Subject : blank before the colon") == none);
  CHECK(old("From: a@b") == none);
}

TEST_CASE("Qpopper's base-80 id has the shape of the sample in its FAQ", "[mail][uid]") {
  const std::string_view sample = R"(E`'!!Y]+"!(-i!!Tl$#!)";
  const std::string computed = id_of(UniqueIdRecipe::qpopper, header);
  for (const std::string_view id : {sample, std::string_view{computed}}) {
    CAPTURE(id);
    REQUIRE(id.size() == 20);
    CHECK(is_valid_unique_id(id));
    for (std::size_t i = 0; i < 20; i += 5) {
      CHECK(id[i + 4] == '!');
      CHECK((id[i + 3] >= '!' && id[i + 3] <= '#'));
    }
    for (const char c : id) CHECK((c >= '!' && c <= 'p' && c != '.') == (c != '~'));
  }
}

TEST_CASE("One maker serves message after message", "[mail][uid]") {
  for (const auto recipe :
       {UniqueIdRecipe::native, UniqueIdRecipe::qpopper, UniqueIdRecipe::qpopper_old}) {
    UniqueIdMaker maker{recipe};
    const std::vector<std::string> other(5000, "Received: " + std::string(100, 'x'));
    const std::string first = id_of(maker, separator, header);
    const std::string second = id_of(maker, "From x", other);
    CHECK(first == id_of(recipe, header));
    CHECK(second == id_of(recipe, other, "From x"));
    maker.begin(separator);  // given up half-way, as when the message stores an id
    for (const std::string& line : other) maker.header_line(line);
    CHECK(id_of(maker, separator, header) == first);
  }
}

TEST_CASE("A line counts up to its longest length only", "[mail][uid]") {
  const std::string line = "Subject: " + std::string(UniqueIdMaker::longest_line - 9, 'x');
  for (const auto recipe :
       {UniqueIdRecipe::native, UniqueIdRecipe::qpopper, UniqueIdRecipe::qpopper_old}) {
    CHECK(id_of(recipe, {line}) == id_of(recipe, {line + "tail"}));
    CHECK(id_of(recipe, {line}) != id_of(recipe, {line.substr(0, line.size() - 1)}));
  }
}

TEST_CASE("is_valid_unique_id follows RFC 1939", "[mail][uid]") {
  CHECK(is_valid_unique_id("!"));
  CHECK(is_valid_unique_id(std::string(70, '~')));
  CHECK(is_valid_unique_id("0123456789abcdef0123456789abcdef"));
  for (const std::string& wrong :
       {std::string{}, std::string(71, 'x'), std::string{"a b"}, std::string{"a\0b", 3},
        std::string{"\x7f"}, std::string{"\xe4"}}) {
    CHECK_FALSE(is_valid_unique_id(wrong));
  }
}

TEST_CASE("distinct_unique_id stays valid whatever the id's length", "[mail][uid]") {
  CHECK(distinct_unique_id("abc", 2) == "abc-2");
  CHECK(distinct_unique_id(std::string(70, 'x'), 2) == std::string(68, 'x') + "-2");
  CHECK(is_valid_unique_id(distinct_unique_id(std::string(70, 'x'), 4294967295U)));
}
