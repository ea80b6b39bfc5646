// One of popspool's changes of a maildrop in one process of its own, for move_matrix.py.
//
//   move_driver deliver DIRECTORY        a message into DIRECTORY/jo
//   move_driver to-maildir DIRECTORY     convert DIRECTORY/jo
//   move_driver to-mbox DIRECTORY
//   move_driver rehash DIRECTORY         move DIRECTORY/jo to DIRECTORY/j/o/jo
//
// Writes "+OK" only after the change said that it is done, else "-ERR TEXT" with status 1. Dotlocks
// of dead programs count as stale at once. The call of getpgid(2) tells `strike` where it begins.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "store/conversion.h"
#include "store/delivery.h"
#include "store/spool_move.h"

namespace {

using namespace pop;

constexpr std::string_view message = "Subject: delivered\n\nnew mail\n";

Result<void> deliver_one(const MaildropContext& context, const MailUser& user) {
  std::string_view rest = message;
  const Result<DeliveredMail> done =
      deliver(context, user, {.sender = "ann@example.org", .largest = {}},
              [&](std::span<char> buffer) -> Result<std::size_t> {
                const std::size_t count = std::min(rest.size(), buffer.size());
                std::memcpy(buffer.data(), rest.data(), count);
                rest.remove_prefix(count);
                return count;
              });
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<void> convert(const MaildropContext& context, const MailUser& user, MailFormat to) {
  const Result<Conversion> done = convert_maildrop(context, user, to);
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<void> rehash(const MaildropContext& context, const MailUser& user) {
  Settings hashed = context.settings;
  hashed.hash_spool = 2;
  const Result<MovedSpool> done = move_spool(context, {hashed, context.disk, context.clock}, user);
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<void> change(std::string_view what, const MaildropContext& context, const MailUser& user) {
  if (what == "deliver") return deliver_one(context, user);
  if (what == "to-maildir") return convert(context, user, MailFormat::maildir);
  if (what == "to-mbox") return convert(context, user, MailFormat::mbox);
  if (what == "rehash") return rehash(context, user);
  return fail(Errc::usage, "unknown change");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Settings settings;
  settings.spool_dir = argv[2];
  settings.lock_wait = std::chrono::seconds{1};
  settings.dotlock_stale_after = std::chrono::seconds{0};
  const MaildropContext context{settings, system_disk(), system_clock()};
  const MailUser user{
      .name = "jo", .uid = ::getuid(), .gid = ::getgid(), .home = argv[2], .maildrop = {}};
  (void)::getpgid(0);
  const Result<void> done = change(argv[1], context, user);
  std::puts(done ? "+OK" : ("-ERR " + done.error().text).c_str());
  std::fflush(stdout);
  return done ? 0 : 1;
}
