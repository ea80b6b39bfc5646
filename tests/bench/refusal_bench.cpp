// What a refused login costs the keeper, by the reason of the refusal: no difference may tell a
// stranger who exists. Processor time, so that other programs do not count; the reasons take turns,
// so that what changes in the machine meets all alike.
//
//   bench_refusal [--tries=N]
//
// By a password, as PASS and AUTH PLAIN bring it, and by SCRAM-SHA-256, from the client's first
// message to the last that it gets. And what login-cache saves where the password is right.
//
// Exit status 1: a mean differs from that of a wrong password by more than half a millisecond
// beyond the noise, three standard errors of the difference.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credential_db.h"
#include "auth/login_cost.h"
#include "auth/password_check.h"
#include "auth/password_hash.h"
#include "auth/sasl_server.h"
#include "support/scram_client.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

constexpr int usual_tries = 2000;
constexpr double most_difference_ms = 0.5;
constexpr std::string_view expired_secret = "0000-1111-2222-3333-4444";

struct Case {
  std::string name, user, password;
  double sum = 0;  // milliseconds
  double squares = 0;

  void add(double ms) {
    sum += ms;
    squares += ms * ms;
  }
  [[nodiscard]] double mean(int tries) const { return sum / tries; }
  /// Of the mean.
  [[nodiscard]] double error(int tries) const {
    const double variance = squares / tries - mean(tries) * mean(tries);
    return std::sqrt(std::max(variance, 0.0) / tries);
  }
};

void fill(const std::filesystem::path& file) {
  const std::string hash = make_password_hash(Secret{"right"}).value();
  const Credential::Virtual who{.uid = 5000, .gid = 8, .home = "/srv", .maildrop = {}};
  Credential known;
  known.password_hash = hash;
  known.virtual_user = who;
  known.scram_sha_256 = make_scram_keys(ScramHash::sha_256, Secret{"right"}).value();
  known.scram_sha_1 = make_scram_keys(ScramHash::sha_1, Secret{"right"}).value();
  Credential locked = known.clone();
  locked.password_hash.insert(0, "!");
  Credential apop_only;
  apop_only.apop_secret = Secret{"shared"};
  apop_only.virtual_user = who;
  Credential devices = known.clone();
  DevicePassword expired;
  expired.name = "old";
  expired.id = "0123456789abcdef";
  expired.digest = device_digest(Secret{expired_secret}).value();
  expired.expires = std::chrono::sys_seconds{};
  devices.devices = {expired};
  std::vector<CredentialChange> changes;
  changes.push_back({"known", std::move(known)});
  changes.push_back({"locked", std::move(locked)});
  changes.push_back({"apop-only", std::move(apop_only)});
  changes.push_back({"devices", std::move(devices)});
  if (!CredentialDbWriter::create(system_disk(), file) ||
      !CredentialDbWriter::apply(system_disk(), file, std::move(changes))) {
    std::abort();
  }
}

/// False: it was no refusal.
bool refuse(PasswordChecker& checker, Case& one) {
  const Secret password{one.password};
  const LoginCost::CpuTime start = LoginCost::now();
  const Result<Account> account = checker.check_password(one.user, password, {"192.0.2.1"});
  const std::chrono::duration<double, std::milli> spent = LoginCost::now() - start;
  one.add(spent.count());
  return !account && account.error().code == Errc::denied;
}

/// The same by SCRAM, as a keeper does it; the client's work is not counted.
bool refuse_scram(SaslServer& server, PasswordChecker& checker, Case& one) {
  test::ScramClient client{.user = one.user, .password = one.password};
  SaslRequest request;
  request.mechanism = find_sasl_mechanism("SCRAM-SHA-256");
  request.channel.origin.address = "192.0.2.1";
  LoginCost::CpuTime start = LoginCost::now();
  auto exchange = server.begin(std::move(request));
  if (!exchange) return false;
  const Secret first{client.first()};
  const auto challenge = (*exchange)->step(&first);
  LoginCost::CpuTime spent = LoginCost::now() - start;
  if (!challenge || !*challenge) return false;
  const Secret final{client.final_for(**challenge)};
  start = LoginCost::now();
  const auto answer = (*exchange)->step(&final);
  bool is_refused = !answer && answer.error().code == Errc::denied;
  if ((*exchange)->is_proven()) {
    const Result<Account> account = checker.check_identity((*exchange)->user(), {"192.0.2.1"});
    is_refused = !account && account.error().code == Errc::denied;
  }
  spent += LoginCost::now() - start;
  one.add(std::chrono::duration<double, std::milli>{spent}.count());
  return is_refused;
}

int report(std::string_view way, const std::vector<Case>& cases, int tries) {
  int status = 0;
  const Case& usual = cases.front();
  std::printf("%.*s: %d tries each, milliseconds of processor time\n", static_cast<int>(way.size()),
              way.data(), tries);
  for (const Case& one : cases) {
    const double difference = one.mean(tries) - usual.mean(tries);
    const double noise = 3 * std::hypot(one.error(tries), usual.error(tries));
    const bool tells = std::abs(difference) > most_difference_ms + noise;
    std::printf("  %-28s mean %8.3f  difference %+7.3f  noise %6.3f%s\n", one.name.c_str(),
                one.mean(tries), difference, noise, tells ? "  TELLS" : "");
    if (tells) status = 1;
  }
  return status;
}

/// Mean milliseconds of a login that succeeds; 0 if one did not.
double accepted(const Settings& settings, int tries) {
  const auto checker = make_password_checker(settings);
  if (!checker) return 0;
  const Secret password{"right"};
  LoginCost::CpuTime spent{0};
  for (int i = 0; i <= tries; ++i) {
    const LoginCost::CpuTime start = LoginCost::now();
    if (!(*checker)->check_password("known", password, {"192.0.2.1"})) return 0;
    if (i > 0) spent += LoginCost::now() - start;
  }
  return std::chrono::duration<double, std::milli>{spent}.count() / tries;
}

bool report_cache(Settings settings, int tries) {
  const double without = accepted(settings, tries);
  settings.login_cache = std::chrono::hours{1};
  const double with = accepted(settings, tries);
  std::printf("  %-28s mean %8.3f, with login-cache %8.3f\n", "right password", without, with);
  return without > 0 && with > 0 && with < without;
}

using Refuse = std::function<bool(Case&)>;

int measure(std::string_view way, std::vector<Case> cases, const Refuse& refuse_one, int tries) {
  for (int i = 0; i < 3; ++i) {  // what the first ones find out is no part of it
    for (const Case& one : cases) {
      Case first = one;
      (void)refuse_one(first);
    }
  }
  for (int i = 0; i < tries; ++i) {
    for (Case& one : cases) {
      if (refuse_one(one)) continue;
      std::printf("%s was not refused\n", one.name.c_str());
      return 2;
    }
  }
  return report(way, cases, tries);
}

int run(int tries) {
  const test::TemporaryDirectory directory;
  Settings settings;
  settings.auth_source = AuthSource::credentials;
  settings.credential_file = directory / "credentials";
  fill(settings.credential_file);
  const auto checker = make_password_checker(settings);
  if (!checker) return 2;
  std::vector<Case> cases{{"wrong password", "known", "wrong"},
                          {"unknown user", "unknown", "wrong"},
                          {"locked, right password", "locked", "right"},
                          {"APOP only", "apop-only", "shared"}};
  SaslServer server{settings, "host.example"};
  server.load();
  const int by_scram = measure(
      "SCRAM-SHA-256", cases, [&](Case& one) { return refuse_scram(server, **checker, one); },
      tries);
  cases.push_back({"expired device password", "devices", std::string{expired_secret}});
  cases.push_back({"unknown, device password", "unknown", std::string{expired_secret}});
  const int by_password = measure(
      "PASS, AUTH PLAIN", cases, [&](Case& one) { return refuse(**checker, one); }, tries);
  if (!report_cache(settings, tries)) return 2;
  return std::max(by_scram, by_password);
}

}  // namespace
}  // namespace pop

int main(int argc, char** argv) {
  constexpr std::string_view tries = "--tries=";
  int count = pop::usual_tries;
  if (argc == 2 && std::string_view{argv[1]}.starts_with(tries)) {
    count = std::atoi(argv[1] + tries.size());
  }
  return count > 0 ? pop::run(count) : 2;
}
