#include <algorithm>
#include <set>

#include "auth/account.h"
#include "base/clock.h"
#include "base/text.h"
#include "conf/network_list.h"
#include "popauth/device_report.h"
#include "popauth/moment.h"
#include "popauth/popauth.h"

namespace pop {
namespace {

using Changes = std::vector<CredentialChange>;

// ---------------------------------------------------------------------------- add

Result<std::string> networks_of(const DeviceArguments& arguments) {
  if (!arguments.networks) return std::string{};
  std::string networks = *arguments.networks;
  std::ranges::replace(networks, ',', ' ');
  const auto parsed = NetworkList::parse(networks);
  if (!parsed) {
    return fail(Errc::usage,
                "--network " + escaped(*arguments.networks) + ": " + std::string{parsed.error()});
  }
  if (parsed->empty()) return fail(Errc::usage, "--network: empty");
  return networks;
}

/// Everything but its slot, which only the file can tell.
Result<DevicePassword> make_device(const DeviceArguments& arguments) {
  if (!is_safe_user_name(arguments.user)) return fail(Errc::usage, "not a name a user can have");
  if (!is_device_name(arguments.name)) {
    return fail(Errc::usage, escaped(arguments.name) +
                                 ": a device's name is 1 to 32 letters, digits, '-', '_' and '.'");
  }
  DevicePassword device;
  device.name = arguments.name;
  device.created = std::chrono::floor<std::chrono::seconds>(system_clock().wall());
  if (arguments.expires) {
    const Result<std::chrono::sys_seconds> expires = expiry_of(*arguments.expires, device.created);
    if (!expires) return std::unexpected(expires.error());
    device.expires = *expires;
  }
  const Result<std::string> networks = networks_of(arguments);
  if (!networks) return std::unexpected(networks.error());
  device.networks = *networks;
  if (arguments.read_only) device.rights = DevicePassword::Rights::read_only;
  const Result<std::string> id = make_device_id();
  if (!id) return std::unexpected(id.error());
  device.id = *id;
  return device;
}

/// The lowest that nobody has.
Result<std::uint32_t> free_slot(const CredentialDb& now) {
  std::set<std::uint32_t> taken;
  const Result<void> walked = now.walk([&taken](std::string_view, Result<Credential> credential) {
    if (!credential) return Result<void>{};  // damaged: lets nobody in, so it uses no slot
    for (const DevicePassword& device : credential->devices) taken.insert(device.slot);
    return Result<void>{};
  });
  if (!walked) return std::unexpected(walked.error());
  std::uint32_t slot = 0;
  for (const std::uint32_t used : taken) {
    if (used != slot) break;
    ++slot;
  }
  if (slot < most_device_slots) return slot;
  return fail(Errc::limit, "too many device passwords");
}

Result<Changes> plan_add(const CredentialDb& now, const std::string& user, DevicePassword device) {
  Result<std::optional<Credential>> stored = now.find(user);
  if (!stored) return std::unexpected(stored.error());
  Credential credential = *stored ? std::move(**stored) : Credential{};
  if (std::ranges::find(credential.devices, device.name, &DevicePassword::name) !=
      credential.devices.end()) {
    return fail(Errc::usage, device.name + ": there is one of this name; revoke it first");
  }
  if (credential.devices.size() == most_devices) {
    return fail(Errc::limit, "a user can have " + std::to_string(most_devices) + " at most");
  }
  const Result<std::uint32_t> slot = free_slot(now);
  if (!slot) return std::unexpected(slot.error());
  device.slot = *slot;
  credential.devices.push_back(std::move(device));
  Changes changes;
  changes.push_back({user, std::move(credential)});
  return changes;
}

/// The secret once it is stored; empty in a dry run.
Result<Secret> add(const DeviceArguments& arguments, const CredentialSite& site,
                   const ToolRun& run) {
  Result<DevicePassword> device = make_device(arguments);
  if (!device) return std::unexpected(device.error());
  Result<Secret> secret = make_device_secret();
  if (!secret) return secret;
  device->digest = device_digest(*secret).value();
  const auto plan = [&](const CredentialDb& now) -> Result<Changes> {
    Result<Changes> changes = plan_add(now, arguments.user, *device);
    if (changes) {
      warn_of_stranger("device add " + escaped(arguments.user), arguments.user,
                       *changes->front().credential, run);
    }
    return changes;
  };
  if (run.flags.mode == RunMode::dry_run) {
    const Result<Changes> planned = plan(CredentialDb{site.file});
    return planned ? Result<Secret>{} : std::unexpected(planned.error());
  }
  if (Result<void> done = DeviceUses::ensure(site.disk, site.file); !done) {
    return std::unexpected(done.error());
  }
  if (Result<void> done = CredentialDbWriter::update(site.disk, site.file, plan); !done) {
    return std::unexpected(done.error());
  }
  return secret;
}

void show_secret(const DeviceArguments& arguments, const Secret& secret, const ToolRun& run) {
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text({Json::Object{{"user", {arguments.user}},
                                             {"device", {arguments.name}},
                                             {"password", {std::string{secret.octets()}}}}}));
    return;
  }
  run.terminal.print(secret.octets());
  run.terminal.print("\n");
}

// ---------------------------------------------------------------------------- revoke

Result<Changes> plan_revoke(const CredentialDb& now, const std::string& user,
                            const std::vector<std::string>& names,
                            std::vector<std::string>& missing) {
  Result<std::optional<Credential>> stored = now.find(user);
  if (!stored) return std::unexpected(stored.error());
  if (!*stored) return fail(Errc::not_found, "not found");
  bool changed = false;
  for (const std::string& name : names) {
    const auto erased = std::erase_if(
        (*stored)->devices, [&name](const DevicePassword& device) { return device.name == name; });
    if (erased == 0) missing.push_back(name);
    changed = changed || erased > 0;
  }
  Changes changes;
  if (changed) changes.push_back({user, std::move(**stored)});
  return changes;
}

}  // namespace

ExitStatus run_device_add(const DeviceArguments& arguments, const CredentialSite& site,
                          const ToolRun& run) {
  Result<Secret> secret = add(arguments, site, run);
  if (!secret) {
    return give_up(run.terminal,
                   std::move(secret).error().in("device add " + escaped(arguments.user)));
  }
  if (run.flags.mode == RunMode::dry_run) {
    run.terminal.print("would add " + arguments.name + " to " + escaped(arguments.user) + "\n");
  } else {
    show_secret(arguments, *secret, run);
  }
  return ExitStatus::ok;
}

ExitStatus run_device_list(const std::vector<std::string>& users, const CredentialSite& site,
                           const ToolRun& run) {
  const ListedUsers found = find_users("device list", users, site, run);
  const DeviceUses uses{site.file};
  Json::Array array;
  for (const ListedUser& user : found.users) {
    for (const DevicePassword& device : user.credential.devices) {
      if (run.flags.form == OutputForm::text) {
        run.terminal.print(escaped(user.name) + ": " + text_of(device, uses) + "\n");
        continue;
      }
      Json json = json_of(device, uses);
      auto& object = std::get<Json::Object>(json.value);
      object.insert(object.begin(), {"user", {user.name}});
      array.push_back(std::move(json));
    }
  }
  if (run.flags.form == OutputForm::json) run.terminal.print(to_text({std::move(array)}));
  return found.status;
}

ExitStatus run_device_revoke(const std::string& user, const std::vector<std::string>& names,
                             const CredentialSite& site, const ToolRun& run) {
  const std::string doing = "device revoke " + escaped(user);
  std::vector<std::string> missing;
  const auto plan = [&](const CredentialDb& now) {
    missing.clear();
    return plan_revoke(now, user, names, missing);
  };
  Result<void> done;
  if (run.flags.mode == RunMode::dry_run) {
    const Result<Changes> planned = plan(CredentialDb{site.file});
    if (!planned) done = std::unexpected(planned.error());
  } else {
    done = CredentialDbWriter::update(site.disk, site.file, plan);
  }
  const bool no_such_user =
      !done && done.error().code == Errc::not_found && done.error().text == "not found";
  if (!done) {
    const ExitStatus status = give_up(run.terminal, std::move(done).error().in(doing));
    return no_such_user ? ExitStatus::no_user : status;
  }
  const bool dry = run.flags.mode == RunMode::dry_run;
  for (const std::string& name : names) {
    if (std::ranges::find(missing, name) != missing.end()) {
      run.terminal.complain(doing + " " + escaped(name) + ": not found");
    } else if (dry || run.flags.verbosity == Verbosity::verbose) {
      run.terminal.print((dry ? "would revoke " : "revoked ") + name + " of " + escaped(user) +
                         "\n");
    }
  }
  return missing.empty() ? ExitStatus::ok : ExitStatus::no_user;
}

}  // namespace pop
