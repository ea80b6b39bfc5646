#include "daemon/tls_supply.h"

#include <algorithm>
#include <utility>

#include "tls/tls_context.h"
#include "tls/tls_policy.h"

namespace pop {
namespace {

// Only those that name files.
bool name_the_same_files(const Settings& a, const Settings& b) {
  return a.tls_server_cert_file == b.tls_server_cert_file &&
         a.tls_private_key_file == b.tls_private_key_file &&
         a.tls_identity_file == b.tls_identity_file && a.tls_passphrase == b.tls_passphrase &&
         a.tls_more_certificates == b.tls_more_certificates && a.tls_ocsp_file == b.tls_ocsp_file &&
         a.tls_client_ca_file == b.tls_client_ca_file &&
         a.tls_client_certificates == b.tls_client_certificates &&
         a.tls_client_user_map == b.tls_client_user_map;
}

Result<TicketKeys> ticket_keys(const TicketKeys* earlier) {
  return earlier == nullptr ? TicketKeys::generate()
                            : TicketKeys::decode(earlier->encode().octets());
}

}  // namespace

TlsSupply::TlsSupply(const Settings& settings, Clock& clock, TicketKeys tickets)
    : settings_{settings}, clock_{clock}, tickets_{std::move(tickets)} {
  next_look_ = clock_.steady() + look_every;
  next_rotation_ = clock_.steady() + TicketKeys::rotate_every;
}

Result<std::shared_ptr<TlsSupply>> TlsSupply::create(const Settings& settings, Clock& clock,
                                                     const TlsSupply* earlier) {
  Result<TicketKeys> tickets = ticket_keys(earlier == nullptr ? nullptr : &earlier->tickets_);
  if (!tickets) return std::unexpected(tickets.error());
  std::shared_ptr<TlsSupply> supply{new TlsSupply{settings, clock, std::move(*tickets)}};
  if (earlier != nullptr) supply->next_rotation_ = earlier->next_rotation_;
  if (Result<void> loaded = supply->load(); !loaded) return std::unexpected(loaded.error());
  if (Result<void> sealed = supply->seal_tickets(); !sealed) return std::unexpected(sealed.error());
  return supply;
}

Result<std::shared_ptr<TlsSupply>> TlsSupply::renew(const std::shared_ptr<TlsSupply>& earlier,
                                                    const Settings& settings, Clock& clock,
                                                    Log& log) {
  Result<std::shared_ptr<TlsSupply>> fresh = create(settings, clock, earlier.get());
  if (fresh || !earlier || !name_the_same_files(earlier->settings_, settings)) return fresh;
  if (fresh.error().code == Errc::usage) return fresh;  // no fault of the files
  log.failure("renew the certificates, so the old ones stay", fresh.error());
  return earlier;
}

void TlsSupply::tell_warnings(Log& log) {
  for (const std::string& warning : std::exchange(warnings_, {})) {
    log.sentence(Severity::warning, warning);
  }
}

Result<void> TlsSupply::load() {
  Result<TlsFiles> files = tls_files_of(settings_);
  if (!files) return std::unexpected(files.error());
  const Result<LoadedTlsMaterial> loaded = load_tls_material(*files, clock_);
  if (!loaded) return std::unexpected(loaded.error());
  if (Result<void> sealed = seal(*loaded); !sealed) return sealed;
  for (std::string& warning : tls_policy_of(settings_).warnings) {
    warnings_.push_back(std::move(warning));
  }
  watch_ = std::make_unique<TlsWatch>(std::move(*files), *loaded, clock_);
  return {};
}

// The gates would find out as well, but nobody could be told who does not read the log.
Result<void> TlsSupply::seal(const LoadedTlsMaterial& loaded) {
  const TlsPolicyReading reading = tls_policy_of(settings_);
  const auto context = TlsContext::create({loaded.material, reading.policy, nullptr, clock_});
  if (!context) return std::unexpected(context.error());
  Result<Fd> sealed = seal_secret(encode(loaded.material));
  if (!sealed) return std::unexpected(sealed.error());
  sealed_certificates_ = std::move(*sealed);
  ++edition_.certificates;
  warnings_.insert(warnings_.end(), loaded.warnings.begin(), loaded.warnings.end());
  return {};
}

Result<void> TlsSupply::seal_tickets() {
  Result<Fd> sealed = seal_secret(tickets_.encode());
  if (!sealed) return std::unexpected(sealed.error());
  sealed_tickets_ = std::move(*sealed);
  ++edition_.tickets;
  return {};
}

TlsSupply::Time TlsSupply::next_due() const {
  return std::min(next_look_, next_rotation_);
}

void TlsSupply::take_due(Log& log) {
  const Time now = clock_.steady();
  if (now >= next_look_) {
    next_look_ = now + look_every;
    look(log);
  }
  if (now < next_rotation_) return;
  next_rotation_ = now + TicketKeys::rotate_every;
  Result<void> rotated = tickets_.rotate();
  if (rotated) rotated = seal_tickets();
  if (!rotated) log.failure("make new keys for TLS sessions", rotated.error());
}

void TlsSupply::look(Log& log) {
  TlsWatch::Seen seen = watch_->look(TlsWatch::Urgency::settled);
  if (auto* const kept = std::get_if<TlsWatch::Kept>(&seen)) {
    log.sentence(Severity::error,
                 "the certificate files have changed, and the old ones stay: " + kept->why);
  }
  auto* const renewed = std::get_if<TlsWatch::Renewed>(&seen);
  if (renewed == nullptr) return;
  if (const Result<void> sealed = seal(renewed->loaded); !sealed) {
    log.failure("renew the certificates, so the old ones stay", sealed.error());
    return;
  }
  log.event(Severity::notice, "certificates-renewed", {});
  tell_warnings(log);
}

Result<Fd> TlsSupply::certificates() const {
  return open_sealed_again(sealed_certificates_);
}

Result<Fd> TlsSupply::tickets() const {
  return open_sealed_again(sealed_tickets_);
}

}  // namespace pop
