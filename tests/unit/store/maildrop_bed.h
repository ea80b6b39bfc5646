#pragma once

#include <sys/stat.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mail/wire_text.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop::test {

inline FilePlace place_in(const TemporaryDirectory& directory, std::string name) {
  auto fd = open_directory(directory.path().native());
  REQUIRE(fd);
  return {std::make_shared<const OpenDirectory>(std::move(*fd), directory.path()),
          std::move(name)};
}

/// Sets back the umask that ::umask() returned.
struct RestoreUmask {
  mode_t before;
  ~RestoreUmask() { ::umask(before); }
};

/// What RETR sends of a message, which must be as long as the scan listing says.
inline std::string wire_of(Maildrop& maildrop, std::uint32_t number) {
  auto reader = maildrop.open({number});
  INFO((reader ? std::string{} : reader.error().text));
  REQUIRE(reader);
  std::string stored;
  char buffer[4096];
  for (;;) {
    const Result<std::size_t> got = (*reader)->read(buffer);
    REQUIRE(got);
    if (*got == 0) break;
    stored.append(buffer, *got);
  }
  std::vector<char> out(WireText::room_for(stored.size()) + 64);
  WireText text;
  std::size_t used = text.convert(stored, out);
  used += text.finish(std::span{out}.subspan(used));
  CHECK(text.octets() == maildrop.messages()[number - 1].size);
  return {out.data(), used};
}

inline SessionOutcome outcome(const Maildrop& maildrop,
                              std::initializer_list<std::uint32_t> deleted,
                              std::initializer_list<std::uint32_t> retrieved = {}) {
  SessionOutcome result{MessageSet{maildrop.messages().size()},
                        MessageSet{maildrop.messages().size()}};
  for (const std::uint32_t number : deleted) result.deleted.insert({number});
  for (const std::uint32_t number : retrieved) result.retrieved.insert({number});
  return result;
}

}  // namespace pop::test
