#pragma once

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "tls/tls_files.h"

namespace pop {

/// Tells when certificate files have been renewed, and loads them. For the master, which calls
/// look() now and then and at SIGHUP. A look asks for the state of each file and reads nothing
/// unless something changed.
class TlsWatch {
 public:
  /// `served` is what load_tls_material() made of `files`. The clock must outlive this.
  TlsWatch(TlsFiles files, const LoadedTlsMaterial& served, const Clock& clock);

  enum class Urgency : std::uint8_t {
    settled,  // load what changed before the last look and not since: renewals take a moment
    at_once   // load what has changed, and say again what keeps it from being served
  };
  struct Unchanged {};
  struct Renewed {
    LoadedTlsMaterial loaded;  // counts as served from now on
  };
  /// The files changed and are no good: serve on what you have. Said once for each state of the
  /// files.
  struct Kept {
    std::string why;
  };
  using Seen = std::variant<Unchanged, Renewed, Kept>;

  /// Material whose dates are wrong does not replace material whose dates are right. Blocks on the
  /// disk.
  [[nodiscard]] Seen look(Urgency urgency);

  [[nodiscard]] const TlsFiles& files() const { return files_; }

 private:
  using Time = std::chrono::system_clock::time_point;
  void serve(const LoadedTlsMaterial& loaded);
  [[nodiscard]] Seen keep(std::string why);
  [[nodiscard]] bool served_is_in_date() const;

  TlsFiles files_;
  const Clock& clock_;
  std::vector<TlsFileStamp> served_;   // what is served was read from these
  std::vector<TlsFileStamp> seen_;     // at the last look
  std::vector<TlsFileStamp> refused_;  // complained about
  Time valid_from_, valid_until_;      // all that is served
};

}  // namespace pop
