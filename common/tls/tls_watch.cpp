#include "tls/tls_watch.h"

#include <algorithm>
#include <utility>

namespace pop {

TlsWatch::TlsWatch(TlsFiles files, const LoadedTlsMaterial& served, const Clock& clock)
    : files_{std::move(files)}, clock_{clock}, seen_{served.stamps} {
  serve(served);
}

void TlsWatch::serve(const LoadedTlsMaterial& loaded) {
  served_ = loaded.stamps;
  refused_.clear();
  valid_from_ = Time::min();
  valid_until_ = Time::max();
  for (const TlsPair& pair : loaded.material.pairs) {
    valid_from_ = std::max(valid_from_, pair.not_before);
    valid_until_ = std::min(valid_until_, pair.not_after);
  }
}

bool TlsWatch::served_is_in_date() const {
  const Time now = clock_.wall();
  return valid_from_ <= now && now <= valid_until_;
}

TlsWatch::Seen TlsWatch::keep(std::string why) {
  refused_ = seen_;
  return Kept{std::move(why)};
}

TlsWatch::Seen TlsWatch::look(Urgency urgency) {
  std::vector<TlsFileStamp> now = stamps_of(files_);
  const bool settled = now == seen_;
  seen_ = std::move(now);
  if (seen_ == served_) return Unchanged{};
  if (urgency == Urgency::settled && (!settled || seen_ == refused_)) return Unchanged{};

  Result<LoadedTlsMaterial> loaded = load_tls_material(files_, clock_);
  if (!loaded) return keep(std::move(loaded).error().text);
  const Result<void> dates = check_dates(loaded->material, clock_.wall());
  if (!dates && served_is_in_date()) return keep(dates.error().text);
  serve(*loaded);
  return Renewed{std::move(*loaded)};
}

}  // namespace pop
