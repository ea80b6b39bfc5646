#include "bull/seen_numbers.h"

namespace pop {

Result<KnownNumbers> PopbullNumbers::read() {
  const Result<PopbullPlaces> places = locate_popbull(settings_, user_);
  if (!places) return std::unexpected(places.error());
  Result<SeenFile> seen = read_popbull(disk_, *places, user_.uid);
  if (!seen) return std::unexpected(std::move(seen).error());
  return KnownNumbers{std::move(*seen)};
}

Result<void> PopbullNumbers::write(const SeenRecord& record) {
  const Result<PopbullPlaces> places = locate_popbull(settings_, user_);
  if (!places) return std::unexpected(places.error());
  return write_popbull(disk_, *places, record);
}

Result<KnownNumbers> taken_over_numbers(Disk& disk, const Settings& settings,
                                        const MailUser& user) {
  const Result<PopbullPlaces> places = locate_popbull(settings, user);
  if (!places && places.error().code == Errc::not_found) return KnownNumbers{};
  if (!places) return std::unexpected(places.error());
  Result<SeenFile> seen = read_popbull(disk, *places, user.uid);
  if (!seen) return std::unexpected(std::move(seen).error());
  const bool is_known = seen->kind == SeenFile::Kind::number;
  return KnownNumbers{std::move(*seen), is_known};
}

}  // namespace pop
