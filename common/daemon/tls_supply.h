#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "conf/settings.h"
#include "log/log.h"
#include "tls/ticket_keys.h"
#include "tls/tls_watch.h"

namespace pop {

/// What TLS is served with, in the master's hands: certificates with their keys, and the keys that
/// session tickets are sealed with, both as sealed memory for the gates and nobody else. One for
/// each configuration.
class TlsSupply {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// Between two looks at the files; what has changed is taken up at the second look.
  static constexpr std::chrono::seconds look_every{2};

  /// Reads the files, as whoever this process is. With the ticket keys of an `earlier` supply, so
  /// that clients resume across a reload. The clock must outlive it. Errors: those of
  /// load_tls_material() and TlsContext::create(), for an administrator to read.
  [[nodiscard]] static Result<std::shared_ptr<TlsSupply>> create(const Settings& settings,
                                                                 Clock& clock,
                                                                 const TlsSupply* earlier);
  /// For a reload. Files that are named as before and are no good now leave the certificates as
  /// they are, and the log is told why; other errors are those of create().
  [[nodiscard]] static Result<std::shared_ptr<TlsSupply>> renew(
      const std::shared_ptr<TlsSupply>& earlier, const Settings& settings, Clock& clock, Log& log);

  /// What an administrator should hear about files and options; once.
  void tell_warnings(Log& log);

  /// When look() and rotation are due next.
  [[nodiscard]] Time next_due() const;
  /// Takes renewed files up and fresh ticket keys, when it is time. What is no good leaves
  /// everything as it was, and the log is told why, once.
  void take_due(Log& log);

  /// These count up whenever the gates must hear of something new.
  struct Edition {
    std::uint64_t certificates = 0, tickets = 0;
  };
  [[nodiscard]] Edition edition() const { return edition_; }
  /// To be read by one process.
  [[nodiscard]] Result<Fd> certificates() const;
  [[nodiscard]] Result<Fd> tickets() const;

 private:
  TlsSupply(const Settings& settings, Clock& clock, TicketKeys tickets);
  [[nodiscard]] Result<void> load();
  [[nodiscard]] Result<void> seal(const LoadedTlsMaterial& loaded);
  [[nodiscard]] Result<void> seal_tickets();
  void look(Log& log);

  Settings settings_;
  Clock& clock_;
  std::unique_ptr<TlsWatch> watch_;
  TicketKeys tickets_;
  Fd sealed_certificates_, sealed_tickets_;
  Edition edition_;
  std::vector<std::string> warnings_;
  Time next_look_{}, next_rotation_{};
};

}  // namespace pop
