#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "mail/unique_id.h"
#include "store/trash.h"
#include "support/fuzz_require.h"
#include "support/temporary_directory.h"

// A hostile trash: whatever its bytes are, messages lie inside the file, one behind the other, what
// is read is as long as its head says, and a sweep keeps all that can be read.

namespace {

using pop::TrashedMessage;

void must(bool holds) {
  pop::test::fuzz_require(holds, "a property of a trash");
}

struct Bench {
  Bench() {
    pop::Result<pop::Fd> opened = pop::open_directory(directory.path().native());
    must(opened.has_value());
    place = {std::make_shared<const pop::OpenDirectory>(std::move(*opened), directory.path()),
             ".jo.trash"};
  }
  pop::test::TemporaryDirectory directory{pop::test::TemporaryDirectory::Place::memory};
  pop::FilePlace place;
};

/// How many of its messages are undamaged.
std::size_t examine(const pop::Trash& trash, std::size_t size) {
  std::size_t whole = 0;
  pop::FileBytes at{0};
  for (const TrashedMessage& message : trash.messages()) {
    must(at < message.at && (message.at + message.size()).count < size);
    must(pop::is_valid_unique_id(message.unique_id));
    at = message.at + message.size();
    const pop::Result<std::string> read = trash.read(message);
    must(read ? read->size() == message.size().count : read.error().code == pop::Errc::corrupt);
    if (read) ++whole;
  }
  return whole;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bench bench;
  const std::filesystem::path file = bench.directory / bench.place.name;
  std::filesystem::remove(file);
  {
    std::ofstream out{file, std::ios::binary};
    out.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  }
  std::filesystem::permissions(file, std::filesystem::perms{0600});
  pop::Disk& disk = pop::system_disk();
  const auto trash = pop::Trash::open(disk, bench.place, ::getuid());
  if (!trash) return 0;
  const std::size_t whole = examine(*trash, size);
  const auto keep = [first = true](const TrashedMessage&) mutable {
    return !std::exchange(first, false);
  };
  const bool first_is_whole =
      !trash->messages().empty() && trash->read(trash->messages().front()).has_value();
  must(pop::sweep_trash(disk, bench.place, ::getuid(), keep).has_value());
  const auto swept = pop::Trash::open(disk, bench.place, ::getuid());
  const std::size_t left = whole - (first_is_whole ? 1 : 0);
  if (!swept) {
    must(left == 0 && swept.error().code == pop::Errc::not_found);
    return 0;
  }
  must(swept->messages().size() == left);
  for (const TrashedMessage& message : swept->messages()) {
    must(swept->read(message).has_value());
  }
  return 0;
}
