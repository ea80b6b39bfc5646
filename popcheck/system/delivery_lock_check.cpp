// Whether those who write spools keep each other out: the same locks, in the same order.
#include <algorithm>

#include "base/text.h"
#include "popcheck/system/delivery_agent.h"
#include "popcheck/system/system_checks.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

using Locks = std::vector<LockMethod>;

/// A dotlock of ours is refreshed every 20 seconds, and a slow disk may delay that.
constexpr std::chrono::seconds least_age_of_stale_locks{60};

Locks our_locks(LockOrder order) {
  switch (order) {
    case LockOrder::dotlock_fcntl_flock:
      return {LockMethod::dotlock, LockMethod::fcntl, LockMethod::flock};
    case LockOrder::dotlock_flock_fcntl:
      return {LockMethod::dotlock, LockMethod::flock, LockMethod::fcntl};
    case LockOrder::dotlock:
      return {LockMethod::dotlock};
  }
  return {};
}

bool has(const Locks& locks, LockMethod method) {
  return std::ranges::find(locks, method) != locks.end();
}

/// Those of `locks` that `other` has, too, in the order of `locks`.
Locks shared(const Locks& locks, const Locks& other) {
  Locks both;
  std::ranges::copy_if(locks, std::back_inserter(both),
                       [&other](LockMethod method) { return has(other, method); });
  return both;
}

class AgentCheck {
 public:
  AgentCheck(const CheckedHost& host, DeliveryAgent agent, HostFindings& findings)
      : host_{host},
        ours_{our_locks(host.settings.lock_order)},
        agent_{std::move(agent)},
        findings_{findings} {}

  void run() {
    if (!is_same_place()) return;
    check_suffix();
    check_methods();
    check_age();
  }

 private:
  void report(Gravity gravity, std::string what, std::string command) {
    findings_.push_back({.gravity = gravity,
                         .about = agent_.name + " (" + escaped(agent_.file) + ")",
                         .what = std::move(what),
                         .command = std::move(command)});
  }

  /// Both for the same file, whatever links lead there.
  [[nodiscard]] bool is_same(const fs::path& one, const fs::path& other) const {
    const auto real = [this](const fs::path& path) {
      return host_.view.real_path(path).value_or(path.lexically_normal());
    };
    return real(one) == real(other);
  }

  /// Whether it delivers to where we look; complains where it is configured to and misses.
  bool is_same_place() {
    const Settings& settings = host_.settings;
    if (!agent_.in_home.empty()) return is_same_place_in_home();
    const fs::path theirs = agent_.spool_dir.empty() ? fs::path{"/var/mail"} : agent_.spool_dir;
    if (settings.home_dir_mail.empty() && is_same(theirs, settings.spool_dir)) return true;
    const bool is_main_one = agent_.lock_setting == "mailbox_delivery_lock" ||
                             agent_.name == "procmail" || agent_.name == "maildrop";
    if (!is_main_one) return false;  // may deliver other mail than ours
    report(Gravity::error,
           "delivers to " + escaped(theirs.native()) + ", and popper looks in " +
               (settings.home_dir_mail.empty()
                    ? escaped(settings.spool_dir.native())
                    : "home directories, for " + escaped(settings.home_dir_mail.native())) +
               ": users do not see their new mail",
           "in the configuration: spool-dir = \"" + escaped(theirs.native()) + "\"");
    return false;
  }

  bool is_same_place_in_home() {
    const std::string ours = host_.settings.home_dir_mail.native();
    const auto without_slash = [](std::string name) {
      while (name.ends_with('/')) name.pop_back();
      return name;
    };
    if (without_slash(ours) == without_slash(agent_.in_home)) {
      return !agent_.in_home.ends_with('/');  // a Maildir has no locks
    }
    report(
        Gravity::error,
        "delivers to " + escaped(agent_.in_home) + " in home directories, and popper looks " +
            (ours.empty() ? "in " + escaped(host_.settings.spool_dir.native())
                          : "for " + escaped(ours) + " there") +
            ": users do not see their new mail",
        "in the configuration: home-dir-mail = \"" + escaped(without_slash(agent_.in_home)) + "\"");
    return false;
  }

  void check_suffix() {
    if (!has(agent_.locks, LockMethod::dotlock) || agent_.lock_suffix == ".lock") return;
    std::erase(agent_.locks, LockMethod::dotlock);
    report(Gravity::error,
           "its lock files end in \"" + escaped(agent_.lock_suffix, 40) +
               "\", and everybody else's in \".lock\", so they keep nobody out",
           agent_.good_setting);
  }

  void check_methods() {
    const Locks theirs = shared(agent_.locks, ours_);
    const Locks same = shared(ours_, agent_.locks);
    const std::string take =
        "takes " + to_string(agent_.locks) + ", and popper takes " + to_string(ours_);
    if (same.empty()) {
      return report(Gravity::error,
                    take +
                        ": nothing keeps them apart, and mail that is delivered during an "
                        "update is lost",
                    remedy());
    }
    if (!has(agent_.locks, LockMethod::dotlock)) {
      if (host_.settings.fast_update) {
        return report(Gravity::error,
                      take +
                          ": without a dotlock it may write to the file that fast-update has "
                          "just replaced, and that mail is lost",
                      remedy());
      }
      report(Gravity::notice, take + ": only " + to_string(same) + " keeps them apart", remedy());
    }
    if (theirs != same) {
      report(Gravity::warning,
             take +
                 ": in another order, so each can hold what the other waits for, until one of "
                 "them gives up",
             order_remedy(theirs));
    }
  }

  [[nodiscard]] std::string remedy() const {
    if (!agent_.good_setting.empty()) return agent_.good_setting;
    return "in the configuration: lock-order = \"dotlock-fcntl-flock\"";
  }

  /// Ours can be changed where they take the dotlock first.
  [[nodiscard]] std::string order_remedy(const Locks& theirs) const {
    if (theirs.front() != LockMethod::dotlock) return remedy();
    return std::string{"in the configuration: lock-order = \"dotlock-"} +
           (theirs[1] == LockMethod::flock ? "flock-fcntl" : "fcntl-flock") + "\"";
  }

  void check_age() {
    if (!agent_.breaks_after || *agent_.breaks_after >= least_age_of_stale_locks) return;
    if (!has(agent_.locks, LockMethod::dotlock)) return;
    report(Gravity::warning,
           "takes a lock for abandoned after " + std::to_string(agent_.breaks_after->count()) +
               " seconds, and popper refreshes its own every 20: on a slow disk it can lose it",
           "let it wait at least " + std::to_string(least_age_of_stale_locks.count()) +
               " seconds in " + escaped(agent_.file));
  }

  const CheckedHost& host_;
  Locks ours_;
  DeliveryAgent agent_;
  HostFindings& findings_;
};

}  // namespace

HostFindings check_delivery_locks(const CheckedHost& host) {
  HostFindings findings;
  for (DeliveryAgent& agent : delivery_agents(host.view)) {
    AgentCheck{host, std::move(agent), findings}.run();
  }
  return findings;
}

}  // namespace pop
