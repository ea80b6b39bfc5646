// A change of popspool's that keeps or mends what is there, in one process of its own, for
// rescue_matrix.py.
//
//   rescue_driver repair DIRECTORY    mends DIRECTORY/jo, doubtful cases included
//   rescue_driver import DIRECTORY    gives its messages the unique-ids old.1, old.2 and so on
//
// Writes "+OK" only after the change said that it is done, else "-ERR TEXT" with status 1. Dotlocks
// of dead programs count as stale at once. The call of getpgid(2) tells `strike` where it begins.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "store/maildrop_location.h"
#include "store/spool_repair.h"
#include "store/unique_id_import.h"

namespace {

using namespace pop;

Result<void> repair(const MaildropContext& context, const MailUser& user) {
  const Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<MendedSpool> mended =
      repair_spool(context, user, *location,
                   {.options = {}, .decide = [](const Defect&) { return Decision::repair; }});
  if (!mended) return std::unexpected(mended.error());
  return {};
}

Result<void> import(const MaildropContext& context, const MailUser& user) {
  Result<UniqueIdImport> begun = UniqueIdImport::begin(context, user);
  if (!begun) return std::unexpected(begun.error());
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(context, user);
  if (!view) return std::unexpected(view.error());
  std::vector<WantedId> wanted;
  for (const ViewedMessage& message : (*view)->messages()) {
    const auto number = static_cast<std::uint32_t>(wanted.size() + 1);
    wanted.push_back({.content_id = std::string{message.unique_id},
                      .id = "old." + std::to_string(number),
                      .order = number});
  }
  return begun->record(**view, wanted);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view change = argc == 3 ? argv[1] : "";
  if (change != "repair" && change != "import") return 2;
  Settings settings;
  settings.spool_dir = argv[2];
  settings.server_mode = true;
  settings.lock_wait = std::chrono::seconds{1};
  settings.dotlock_stale_after = std::chrono::seconds{0};
  const MaildropContext context{settings, system_disk(), system_clock()};
  const MailUser user{
      .name = "jo", .uid = ::getuid(), .gid = ::getgid(), .home = argv[2], .maildrop = {}};
  (void)::getpgid(0);
  const Result<void> done = change == "repair" ? repair(context, user) : import(context, user);
  std::puts(done ? "+OK" : ("-ERR " + done.error().text).c_str());
  std::fflush(stdout);
  return done ? 0 : 1;
}
