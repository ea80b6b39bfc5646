#include "store/spool_listing.h"

#include <fcntl.h>

#include "support/catch.h"
#include "support/forwarding_disk.h"
#include "support/temporary_directory.h"

using namespace pop;
using pop::test::ForwardingDisk;
using pop::test::put_file;
using pop::test::TemporaryDirectory;

namespace {

// A forwarded letter, told from two messages by its Content-Length only.
std::string letter_within_a_letter() {
  const std::string body =
      "look at this:\n\nFrom inner@example.org Thu Jan  1 00:00:00 1970\nstill the same message\n";
  return "From ann@example.org Thu Jan  1 00:00:00 1970\nContent-Length: " +
         std::to_string(body.size()) + "\n\n" + body +
         "\nFrom bob@example.org Thu Jan  1 00:00:00 1970\n\nbye\n\n";
}

/// One read fails, the others do their work.
class FailingRead final : public ForwardingDisk {
 public:
  FailingRead(Disk& disk, int which) : ForwardingDisk{disk}, left_{which} {}

  Result<std::size_t> read(const Fd& file, std::span<char> buffer, FileBytes offset) override {
    if (--left_ == 0) return fail(Errc::io, "the device failed");
    return ForwardingDisk::read(file, buffer, offset);
  }
  [[nodiscard]] bool has_failed() const { return left_ <= 0; }

 private:
  int left_;
};

}  // namespace

TEST_CASE("a look-ahead that could not be read split a message at a line of its body",
          "[store][listing]") {
  const TemporaryDirectory directory;
  const std::string text = letter_within_a_letter();
  put_file(directory / "jo", text);
  const Result<Fd> spool = system_disk().open(AT_FDCWD, (directory / "jo").native(), O_RDONLY);
  REQUIRE(spool);
  const FileBytes size{text.size()};
  SpoolListing sound;
  REQUIRE(scan_spool(system_disk(), *spool, size, {}, sound));
  REQUIRE(sound.messages.size() == 2);

  for (int which = 1;; ++which) {
    CAPTURE(which);
    FailingRead disk{system_disk(), which};
    SpoolListing listing;
    const Result<void> scanned = scan_spool(disk, *spool, size, {}, listing);
    if (!disk.has_failed()) break;
    CHECK(!scanned);

    FailingRead again{system_disk(), which};
    const Result<bool> stands = still_stands(again, *spool, sound.messages[0], sound.format, {});
    CHECK((!again.has_failed() || !stands));
  }
}
