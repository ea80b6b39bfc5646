// Certificates, their keys and who may read them.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/text.h"
#include "popcheck/system/system_checks.h"
#include "tls/chain_check.h"
#include "tls/tls_files.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

/// Those who renew by themselves do so with thirty days left.
constexpr std::chrono::days soon{21};

bool speaks_tls(const CheckedHost& host) {
  if (host.settings.tls_support != TlsSupport::none || has_certificate(host.settings)) return true;
  return std::ranges::any_of(host.listeners, [](const ListenAddress& listener) {
    return listener.tls == ListenTls::stls || listener.tls == ListenTls::implicit;
  });
}

class CertificateCheck {
 public:
  CertificateCheck(const CheckedHost& host, HostFindings& findings)
      : host_{host}, findings_{findings}, now_{host.clock.wall()} {}

  void run() {
    Result<TlsFiles> files = tls_files_of(host_.settings);
    if (!files) return report(Gravity::error, "TLS", files.error().text, "");
    for (TlsPairFiles& pair : files->pairs) {
      for (fs::path* path : {&pair.certificate, &pair.key, &pair.ocsp_response}) {
        *path = host_.view.outside(*path);
      }
    }
    files->client_authorities = host_.view.outside(files->client_authorities);
    files->client_users = host_.view.outside(files->client_users);
    const Result<LoadedTlsMaterial> loaded = load_tls_material(*files, host_.clock);
    if (!loaded) {
      return report(Gravity::error, "TLS",
                    host_.view.inside(loaded.error().text) +
                        ": popper does not start, or goes on with what "
                        "it had",
                    "");
    }
    const Result<void> dates = check_dates(loaded->material, now_);
    for (const std::string& warning : loaded->warnings) {
      const bool is_of_dates = !dates && warning == dates.error().text;
      if (!is_of_dates) report(Gravity::warning, "TLS", host_.view.inside(warning), "");
    }
    for (const TlsPair& pair : loaded->material.pairs) check(pair);
    check_names(loaded->material.pairs);
  }

 private:
  void report(Gravity gravity, std::string about, std::string what, std::string command) {
    findings_.push_back({.gravity = gravity,
                         .about = std::move(about),
                         .what = std::move(what),
                         .command = std::move(command)});
  }

  void check(const TlsPair& pair) {
    const std::string title = host_.view.inside(pair.title);
    const auto left = std::chrono::floor<std::chrono::days>(pair.not_after - now_);
    if (pair.not_before > now_) {
      report(Gravity::error, title, "is not valid yet: clients refuse it", "date");
    } else if (pair.not_after <= now_) {
      report(Gravity::error, title, "is not valid any more: clients refuse it", "certbot renew");
    } else if (left < soon) {
      report(Gravity::warning, title, "is valid for " + std::to_string(left.count()) + " days more",
             "certbot renew");
    }
    if (pair.names.empty()) {
      report(Gravity::warning, title, "names no host: clients that look for one refuse it", "");
    }
    if (pair.not_before <= now_ && pair.not_after > now_) check_way_to_root(pair, title);
  }

  void check_way_to_root(const TlsPair& pair, const std::string& title) {
    constexpr std::array lists{"/etc/ssl/certs/ca-certificates.crt",
                               "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    for (const char* list : lists) {
      const Result<std::string> authorities = host_.view.text(list);
      if (!authorities) continue;
      const Result<void> found = check_chain(pair, *authorities, now_);
      if (found) return;
      return report(Gravity::warning, title,
                    "clients that trust the authorities of " + std::string{list} +
                        " do not find their way to one: " + found.error().text,
                    "in the configuration: tls-server-cert-file = the file with the whole chain "
                    "(fullchain.pem)");
    }
    report(Gravity::notice, title,
           "whether clients trust it is not known: the host has no list of authorities",
           "apt-get install ca-certificates");
  }

  [[nodiscard]] std::string host_name() const {
    if (!host_.settings.host_name.empty()) return lower(host_.settings.host_name);
    if (host_.view.is_this()) {
      std::array<char, 256> name{};
      (void)::gethostname(name.data(), name.size() - 1);
      return lower(name.data());
    }
    const std::string text = host_.view.text_or_nothing("/etc/hostname");
    return lower(trimmed(text.substr(0, text.find('\n'))));
  }

  void check_names(const std::vector<TlsPair>& pairs) {
    const std::string name = host_name();
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos) return;  // clients know it by another name
    const std::string any = "*" + name.substr(dot);
    for (const TlsPair& pair : pairs) {
      const auto stands_for = [&](const std::string& one) { return one == name || one == any; };
      if (std::ranges::any_of(pair.names, stands_for)) return;
    }
    report(Gravity::notice, escaped(name, 120),
           "no certificate names this host; well if clients know it by another name", "");
  }

  const CheckedHost& host_;
  HostFindings& findings_;
  std::chrono::system_clock::time_point now_;
};

}  // namespace

HostFindings check_certificates(const CheckedHost& host) {
  HostFindings findings;
  if (speaks_tls(host)) CertificateCheck{host, findings}.run();
  return findings;
}

}  // namespace pop
