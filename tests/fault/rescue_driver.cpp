// A change of popspool's that keeps or mends what is there, in one process of its own, for
// rescue_matrix.py.
//
//   rescue_driver repair DIRECTORY    mends DIRECTORY/jo, doubtful cases included
//   rescue_driver import DIRECTORY    gives its messages the unique-ids old.1, old.2 and so on
//   rescue_driver expire DIRECTORY    removes those with an even number in their subject
//   rescue_driver undo DIRECTORY      brings back what that removed, if there is anything
//
// Writes "+OK" only after the change said that it is done, else "-ERR TEXT" with status 1. Dotlocks
// of dead programs count as stale at once. The call of getpgid(2) tells `strike` where it begins.

#include <unistd.h>

#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "popspool/expiry.h"
#include "popspool/removed_mail.h"
#include "popspool/trash_place.h"
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

Result<void> expire(const MaildropContext& context, const MailUser& user) {
  ExpiryRule rule;
  rule.headers = {"Subject: number [02468]$"};
  const Result<HeaderConditions> headers = HeaderConditions::compile({&rule, 1});
  if (!headers) return std::unexpected(headers.error());
  const Result<ExpiredMail> done = expire_mail(context, user, {}, {&rule, 1}, *headers);
  return done ? Result<void>{} : std::unexpected(done.error());
}

Result<void> undo(const MaildropContext& context, const MailUser& user) {
  const Result<std::optional<TrashPlace>> place = find_trash(context, user);
  if (!place) return std::unexpected(place.error());
  if (!*place) return {};
  const Result<std::unique_ptr<RemovedMailSource>> source =
      RemovedMailSource::open(context.disk, (*place)->undo, user.uid);
  if (!source) return std::unexpected(source.error());
  if (*source == nullptr) return {};
  const Result<ImportedMail> done = bring_back(context, user, RunMode::real, **source);
  return done ? Result<void>{} : std::unexpected(done.error());
}

using Change = Result<void> (*)(const MaildropContext& context, const MailUser& user);
const std::map<std::string_view, Change> changes{
    {"repair", repair}, {"import", import}, {"expire", expire}, {"undo", undo}};

}  // namespace

int main(int argc, char** argv) {
  const auto change = argc == 3 ? changes.find(argv[1]) : changes.end();
  if (change == changes.end()) return 2;
  Settings settings;
  settings.spool_dir = argv[2];
  settings.server_mode = true;
  settings.lock_wait = std::chrono::seconds{1};
  settings.dotlock_stale_after = std::chrono::seconds{0};
  const MaildropContext context{settings, system_disk(), system_clock()};
  const MailUser user{
      .name = "jo", .uid = ::getuid(), .gid = ::getgid(), .home = argv[2], .maildrop = {}};
  (void)::getpgid(0);
  const Result<void> done = change->second(context, user);
  std::puts(done ? "+OK" : ("-ERR " + done.error().text).c_str());
  std::fflush(stdout);
  return done ? 0 : 1;
}
