// One login with bulletins, or a look at what it left, in one process of its own, for
// bulletin_matrix.py.
//
//   bulletin_driver login|look|empty mbox|maildir popbull|database DIRECTORY
//
// DIRECTORY holds spools, home and bulls; the user is jo. `login` delivers bulletins and lists all
// mail; `look` lists it as it is, and does not deliver; `empty` is a login that deletes all mail.
// Writes the number of the last bulletin, then each message's subject, and "+OK"; or "-ERR TEXT"
// with status 1. Dotlocks of dead programs count as stale at once. The call of getpgid(2) tells
// `strike` where it begins.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "bull/bulletin_delivery.h"
#include "bull/seen_database.h"

namespace {

using namespace pop;

class InDatabase final : public SeenNumbers {
 public:
  explicit InDatabase(const Settings& settings)
      : database_{system_disk(), system_clock(), settings.bulldb, settings.bulldb_max_tries} {}

  Result<KnownNumbers> read() override {
    Result<std::optional<SeenRecord>> record = database_.fetch("jo");
    if (!record) return std::unexpected(std::move(record).error());
    if (!*record) return KnownNumbers{};
    return KnownNumbers{{SeenFile::Kind::number, std::move(**record)}};
  }
  Result<void> write(const SeenRecord& record) override { return database_.store("jo", record); }

 private:
  SeenDatabase database_;
};

Result<void> list(Maildrop& maildrop) {
  for (std::uint32_t number = 1; number <= maildrop.messages().size(); ++number) {
    const Result<std::unique_ptr<MessageReader>> reader = maildrop.open({number});
    if (!reader) return std::unexpected(reader.error());
    std::string text(4096, '\0');
    const Result<std::size_t> got = (*reader)->read(text);
    if (!got) return std::unexpected(got.error());
    const std::size_t at = text.find("Subject: ");
    std::puts(text.substr(at, text.find('\n', at) - at).c_str());
  }
  return {};
}

Result<void> run(std::string_view what, const MaildropContext& context, const MailUser& user,
                 SeenNumbers& numbers) {
  Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(context, user);
  if (!maildrop) return std::unexpected(std::move(maildrop).error());
  if (what != "look") {
    const Result<BulletinsDelivered> delivered =
        deliver_bulletins(context, Recipient{"jo"}, "host", numbers, **maildrop);
    if (!delivered) return std::unexpected(delivered.error());
    if (!delivered->files.empty()) {
      if (Result<void> listed = (*maildrop)->list_again(); !listed) return listed;
    }
  }
  const Result<KnownNumbers> known = numbers.read();
  if (!known) return std::unexpected(known.error());
  std::printf("%s", to_popbull(known->seen.record).c_str());
  if (Result<void> listed = list(**maildrop); !listed) return listed;
  if (what != "empty") return {};
  const std::size_t count = (*maildrop)->messages().size();
  SessionOutcome outcome{MessageSet{count}, MessageSet{count}};
  for (std::uint32_t number = 1; number <= count; ++number) outcome.deleted.insert({number});
  return (*maildrop)->commit(outcome);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::filesystem::path directory{argv[4]};
  Settings settings;
  settings.spool_dir = directory / "spools";
  settings.bulldir = directory / "bulls";
  settings.bulldb = directory / "bulls" / "bulldb";
  settings.server_mode = true;
  settings.lock_wait = std::chrono::seconds{1};
  settings.dotlock_stale_after = std::chrono::seconds{0};
  if (std::string_view{argv[2]} == "maildir") settings.mail_format = MailFormat::maildir;
  const MaildropContext context{settings, system_disk(), system_clock()};
  const MailUser user{.name = "jo",
                      .uid = ::getuid(),
                      .gid = ::getgid(),
                      .home = directory / "home",
                      .maildrop = {}};
  PopbullNumbers in_file{system_disk(), settings, user};
  InDatabase in_database{settings};
  const bool has_database = std::string_view{argv[3]} == "database";
  SeenNumbers& numbers = has_database ? static_cast<SeenNumbers&>(in_database) : in_file;
  (void)::getpgid(0);
  const Result<void> done = run(argv[1], context, user, numbers);
  std::puts(done ? "+OK" : ("-ERR " + done.error().text).c_str());
  std::fflush(stdout);
  return done ? 0 : 1;
}
