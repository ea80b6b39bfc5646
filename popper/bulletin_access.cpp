#include "popper/bulletin_access.h"

#include <utility>

#include "bull/seen_database.h"

namespace pop {

bool BulletinAccess::is_outdated() const {
  return site != nullptr && seen_database_file(*site) != database;
}

void start_teller(BulletinAccess& access, const Settings& settings, const std::string& user,
                  const SessionFilter& filter) {
  if (settings.bulldir.empty()) return;
  access.site = &settings;
  access.database = seen_database_file(settings);
  if (access.database.empty()) return;
  Result<BulletinTeller> teller = BulletinTeller::start(settings, access.database, user, filter);
  if (teller) {
    access.teller.emplace(std::move(*teller));
  } else {
    access.no_teller = std::move(teller).error();
  }
}

Result<KnownNumbers> DatabaseNumbers::read() {
  Result<std::optional<SeenRecord>> record =
      access_.teller ? access_.teller->fetch(user_.name) : std::unexpected(*access_.no_teller);
  if (!record) {
    // A record of his that is no number is his alone, as an unreadable .popbull would be.
    has_failed_ = has_failed_ || record.error().code != Errc::usage;
    return std::unexpected(std::move(record).error());
  }
  if (!*record) return taken_over_numbers(disk_, settings_, user_);
  return KnownNumbers{{SeenFile::Kind::number, std::move(**record)}};
}

Result<void> DatabaseNumbers::write(const SeenRecord& record) {
  Result<void> stored = access_.teller ? access_.teller->store(user_.name, record)
                                       : std::unexpected(*access_.no_teller);
  has_failed_ = has_failed_ || (!stored && stored.error().code == Errc::busy);
  return stored;
}

Result<void> CurrentNumbers::check() const {
  if (!access_.is_outdated()) return {};
  return fail(Errc::changed,
              "the users' numbers have been moved meanwhile: bulletins come with the next login");
}

Result<KnownNumbers> CurrentNumbers::read() {
  if (Result<void> current = check(); !current) {
    return std::unexpected(std::move(current).error());
  }
  return numbers_.read();
}

Result<void> CurrentNumbers::write(const SeenRecord& record) {
  if (Result<void> current = check(); !current) return current;
  return numbers_.write(record);
}

}  // namespace pop
