#include "mail/header_scanner.h"

#include <random>
#include <string>

#include "support/catch.h"

using namespace pop;

namespace {

/// The header with the patches written over it.
std::string patched(std::string header, const std::vector<HeaderPatch>& patches) {
  for (const HeaderPatch& patch : patches) {
    REQUIRE(patch.offset + patch.bytes.size() <= header.size());
    header.replace(patch.offset, patch.bytes.size(), patch.bytes);
  }
  return header;
}

/// Everything but bookkeeping fields.
std::string message_bytes(std::string_view header) {
  std::string bytes;
  for (const HeaderField& field : header_fields(header)) {
    if (field.bookkeeping == Bookkeeping::none) {
      bytes += header.substr(field.begin, field.end - field.begin);
    }
  }
  return bytes;
}

std::string random_header(std::mt19937& random) {
  constexpr std::string_view parts[] = {"Subject: x\n",
                                        "X-UIDL: abc\n",
                                        "Status: O\n",
                                        "Status: RO\n",
                                        "Status:\n",
                                        " continued\n",
                                        "\tX-UIDL: no\n",
                                        "x-uidl : 1234567\r\n",
                                        "no colon\n",
                                        "From a Wed Dec  2 05:53 1992\n",
                                        "To: y\r\n",
                                        "X-Status: A\n",
                                        "Content-Length: 5\n",
                                        "STATUS:   \n",
                                        ":\n",
                                        "\r\r\n",
                                        "A:",
                                        "\r"};
  std::string header;
  for (std::size_t i = random() % 7; i > 0; --i) header += parts[random() % std::size(parts)];
  if (random() % 4 != 0 && (header.empty() || header.ends_with('\n'))) header += "\n";
  return header;
}

}  // namespace

TEST_CASE("header_fields finds fields with their continuation lines", "[mail][header]") {
  const std::string_view header =
      "Subject:  a b \n\tc\nno colon\n more\nX-UIDL : id\r\nstatus:RO\n\nFoo: body\n";
  const std::vector<HeaderField> fields = header_fields(header);
  REQUIRE(fields.size() == 4);
  CHECK(fields[0].name == "Subject");
  CHECK(fields[0].value == "a b");
  CHECK(header.substr(fields[0].begin, fields[0].end) == "Subject:  a b \n\tc\n");
  CHECK(fields[1].name.empty());
  CHECK(fields[1].end - fields[1].begin == std::string_view{"no colon\n more\n"}.size());
  CHECK(fields[2].name == "X-UIDL");
  CHECK(fields[2].value == "id");
  CHECK(fields[2].bookkeeping == Bookkeeping::unique_id);
  CHECK(fields[3].value == "RO");
  CHECK(fields[3].bookkeeping == Bookkeeping::status);
}

TEST_CASE("updated_header writes ids and status as Qpopper did", "[mail][header]") {
  struct Row {
    std::string_view name, before;
    HeaderUpdate update;
    std::string_view after;
  };
  const HeaderUpdate all{.unique_id = "id", .mark_retrieved = true, .mark_seen = true};
  const HeaderUpdate seen{.mark_seen = true};
  const HeaderUpdate id{.unique_id = "id"};
  const Row row = GENERATE_COPY(
      Row{"new", "A: 1\n\n", all, "X-UIDL: id\nA: 1\nStatus: RO\n\n"},
      Row{"seen", "A: 1\n\n", seen, "A: 1\nStatus: U\n\n"},
      Row{"seen before", "A: 1\nStatus: O\n\n", seen, "A: 1\nStatus: O\n\n"},
      Row{"retrieved", "Status: O\nA: 1\n\n", all, "X-UIDL: id\nStatus: RO\nA: 1\n\n"},
      Row{"has both", "Status: OR\nA: 1\n\n", all, "X-UIDL: id\nStatus: OR\nA: 1\n\n"},
      Row{"CRLF", "A: 1\r\n\r\n", all, "X-UIDL: id\r\nA: 1\r\nStatus: RO\r\n\r\n"},
      Row{"other ids", "X-UIDL: x\n y\nA: 1\nx-uidl: z\n\n", id, "X-UIDL: id\nA: 1\n\n"},
      Row{"keep ids", "X-UIDL: x\nA: 1\n\n", seen, "X-UIDL: x\nA: 1\nStatus: U\n\n"},
      Row{"empty", "", all, "X-UIDL: id\nStatus: RO\n"},
      Row{"only the end", "\n", all, "X-UIDL: id\nStatus: RO\n\n"},
      Row{"no end", "A: 1\n", all, "X-UIDL: id\nA: 1\nStatus: RO\n"},
      Row{"no line end", "A: 1", all, "X-UIDL: id\nA: 1\nStatus: RO\n"},
      Row{"nothing to do", "A: 1", HeaderUpdate{}, "A: 1"},
      Row{"X-Status is another", "X-Status: A\n\n", seen, "X-Status: A\nStatus: U\n\n"});
  CAPTURE(row.name);
  CHECK(updated_header(row.before, row.update) == row.after);
}

TEST_CASE("updated_header never makes an orphaned continuation line part of a new field",
          "[mail][header]") {
  const HeaderUpdate update{.unique_id = "id"};
  CHECK(updated_header(" orphan\n\tmore\nA: 1\n\n", update) ==
        " orphan\n\tmore\nX-UIDL: id\nA: 1\n\n");
  CHECK(updated_header(" orphan\n\n", update) == " orphan\nX-UIDL: id\n\n");
  CHECK(updated_header(" orphan", update) == " orphan\nX-UIDL: id\n");
}

// A LF behind it made the CR an empty line, and the header ended there.
TEST_CASE("updated_header keeps a CR that ends the file", "[mail][header][regression]") {
  CHECK(updated_header("\r", {.mark_retrieved = true}) == "\r\r\nStatus: RO\r\n");
  CHECK(updated_header(" x\r", {.unique_id = "id"}) == " x\r\r\nX-UIDL: id\r\n");
  CHECK(updated_header("A: 1\n\r", {.mark_seen = true}) == "A: 1\n\r\r\nStatus: U\n");
}

TEST_CASE("header_patches overwrites slots and moves nothing", "[mail][header]") {
  struct Row {
    std::string_view name, before;
    HeaderUpdate update;
    std::optional<std::string_view> after;
  };
  const HeaderUpdate retrieved{.mark_retrieved = true};
  const HeaderUpdate id{.unique_id = "id"};
  const HeaderUpdate seen{.mark_seen = true};
  const Row row =
      GENERATE_COPY(Row{"says it", "Status: RO\nX-UIDL: id\n\n",
                        HeaderUpdate{.unique_id = "id", .mark_retrieved = true, .mark_seen = true},
                        "Status: RO\nX-UIDL: id\n\n"},
                    Row{"one letter", "Status: U\n\n", retrieved, "Status:RO\n\n"},
                    Row{"two letters", "Status: NU\n\n", retrieved, "Status: RO\n\n"},
                    Row{"blanks", "Status:      \r\n\n", retrieved, "Status: RO   \r\n\n"},
                    Row{"no room", "Status:U\n\n", retrieved, std::nullopt},
                    Row{"no status", "A: 1\n\n", retrieved, std::nullopt},
                    Row{"unseen", "A: 1\n\n", seen, std::nullopt},
                    Row{"seen", "Status:\n\n", seen, "Status:\n\n"},
                    Row{"longer id", "X-UIDL: old\n\n", id, "X-UIDL: id \n\n"},
                    Row{"shorter id", "X-UIDL: i\n\n", id, "X-UIDL:id\n\n"},
                    Row{"no room for the id", "X-UIDL:i\n\n", id, std::nullopt},
                    Row{"no id", "A: 1\n\n", id, std::nullopt},
                    Row{"two ids", "X-UIDL: id\nX-UIDL: id\n\n", id, std::nullopt},
                    Row{"nothing", "A: 1\n\n", HeaderUpdate{}, "A: 1\n\n"});
  CAPTURE(row.name);
  const auto patches = header_patches(row.before, row.update);
  REQUIRE(patches.has_value() == row.after.has_value());
  if (patches) CHECK(patched(std::string{row.before}, *patches) == *row.after);
}

TEST_CASE("Any header keeps its bytes, and says what it was told, after an update",
          "[mail][header]") {
  std::mt19937 random{3};
  for (int round = 0; round < 5000; ++round) {
    const std::string header = random_header(random);
    const HeaderUpdate update{.unique_id = random() % 2 == 0 ? "" : "the-id",
                              .mark_retrieved = random() % 2 == 0,
                              .mark_seen = random() % 2 == 0};
    CAPTURE(header, update.unique_id, update.mark_retrieved, update.mark_seen);
    std::size_t covered = 0;
    for (const HeaderField& field : header_fields(header)) {
      REQUIRE(field.begin == covered);
      covered = field.end;
    }
    const std::string_view rest = std::string_view{header}.substr(covered);
    REQUIRE((rest.empty() || rest.starts_with("\n") || rest.starts_with("\r\n")));

    const std::string updated = updated_header(header, update);
    REQUIRE(updated_header(updated, update) == updated);
    REQUIRE(updated.ends_with(rest));
    std::string kept = message_bytes(header);
    std::string now = message_bytes(updated);
    if (now != kept) kept += now.ends_with("\r\n") ? "\r\n" : "\n";  // the missing last line end
    REQUIRE(now == kept);
    const auto again = header_patches(updated, update);
    REQUIRE(again);
    REQUIRE(again->empty());
    if (const auto patches = header_patches(header, update)) {
      const std::string in_place = patched(header, *patches);
      REQUIRE(in_place.size() == header.size());
      REQUIRE(message_bytes(in_place) == message_bytes(header));
      const auto done = header_patches(in_place, update);
      REQUIRE(done);
      REQUIRE(done->empty());
    }
  }
}

// Dovecot took a NUL in a field name for the name's end.
TEST_CASE("A NUL in a field name makes it another field", "[mail][header][regression]") {
  const std::string header = "X-UIDL: abc\nStatus: RO\nSubject: x\n\n";
  for (std::size_t i = 0; i < header.size(); ++i) {
    std::string damaged = header;
    damaged[i] = '\0';
    CAPTURE(i);
    const std::string updated = updated_header(damaged, {.unique_id = "id"});
    CHECK(message_bytes(updated) == message_bytes(damaged));
    const auto fields = header_fields(damaged);
    REQUIRE(!fields.empty());
    CHECK((fields[0].bookkeeping == Bookkeeping::unique_id) == (i > 6));
  }
}
