#include <optional>
#include <string>
#include <string_view>

#include "mail/mbox_scanner.h"
#include "mail/message_scanner.h"
#include "support/catch.h"

namespace pop {
namespace {

HeaderKind kind_in_spool(const std::string& message) {
  MboxScanner scanner{{}, nullptr};
  scanner.feed("From a@example.org Thu Jan  1 00:00:00 1970\n" + message);
  REQUIRE(scanner.finish());
  const std::optional<ScannedMessage> found = scanner.next();
  REQUIRE(found);
  return found->kind;
}

HeaderKind kind_in_file(std::string_view message, std::size_t cut) {
  MessageScanner scanner{UniqueIdRecipe::native};
  scanner.feed(message.substr(0, cut));
  scanner.feed(message.substr(cut));
  return scanner.finish().header;
}

void check_kind(const std::string& message, HeaderKind expected) {
  CAPTURE(message);
  CHECK(kind_in_spool(message) == expected);
  for (std::size_t cut = 0; cut <= message.size(); cut += 1 + cut / 16) {
    REQUIRE(kind_in_file(message, cut) == expected);
  }
}

}  // namespace

TEST_CASE("Only a header with a line in UTF-8 may have to be downgraded", "[mail][downgrade]") {
  check_kind("A: b\n\n\xc3\xbc\n", {});
  check_kind("A: \xc3\xbc\n\nb\n", {.may_have_utf8 = true});
  check_kind("A: b\n \xc3\xbc\nC: d\n\nb\n", {.may_have_utf8 = true});
  check_kind("A: caf\xe9\n\nb\n", {});
  check_kind("A: caf\xe9\nB: \xc3\xbc\n\nb\n", {.may_have_utf8 = true});
}

TEST_CASE("A header line that is not looked at whole may be in UTF-8", "[mail][downgrade]") {
  for (const std::size_t size : {std::size_t{1100}, std::size_t{3000}}) {
    check_kind("A: " + std::string(size, 'x') + "\xc3\xbc\n\nb\n", {.may_have_utf8 = true});
  }
  check_kind("A: " + std::string(900, 'x') + "\n\nb\n", {});
}

TEST_CASE("A message may end before its header does", "[mail][downgrade]") {
  check_kind("A: b\n", {.is_unended = true});
  check_kind("A: b", {.is_unended = true});
  check_kind("A: b\n\n", {});
}

}  // namespace pop
