#include "popauth/device_report.h"

#include "popauth/moment.h"

namespace pop {
namespace {

/// A use that cannot be read is as good as none: nothing depends on it.
std::optional<DeviceUse> last_use(const DevicePassword& device, const DeviceUses& uses) {
  Result<std::optional<DeviceUse>> use = uses.last(device);
  return use ? std::move(*use) : std::nullopt;
}

}  // namespace

std::string text_of(const DevicePassword& device, const DeviceUses& uses) {
  std::string text = device.name + ", made " + to_text(device.created);
  if (device.expires) text += ", expires " + to_text(*device.expires);
  if (device.rights == DevicePassword::Rights::read_only) text += ", read-only";
  if (!device.networks.empty()) text += ", from " + device.networks;
  if (!device.newer_words.empty()) text += ", with limits of a later version";
  const std::optional<DeviceUse> use = last_use(device, uses);
  if (!use) return text + ", never used";
  return text + ", last used " + to_text(use->time) + " from " + use->address;
}

Json json_of(const DevicePassword& device, const DeviceUses& uses) {
  const auto moment = [](const std::optional<std::chrono::sys_seconds>& when) {
    return when ? Json{to_text(*when)} : Json{};
  };
  const std::optional<DeviceUse> use = last_use(device, uses);
  Json last;
  if (use) last = {Json::Object{{"time", {to_text(use->time)}}, {"address", {use->address}}}};
  return {Json::Object{{"device", {device.name}},
                       {"created", {to_text(device.created)}},
                       {"expires", moment(device.expires)},
                       {"read_only", {device.rights == DevicePassword::Rights::read_only}},
                       {"networks", {device.networks}},
                       {"last_use", std::move(last)}}};
}

Json json_of(const Credential::Virtual& who) {
  Json maildrop;
  if (!who.maildrop.empty()) maildrop.value = who.maildrop.native();
  return {Json::Object{{"uid", {std::uint64_t{who.uid}}},
                       {"gid", {std::uint64_t{who.gid}}},
                       {"home", {who.home.native()}},
                       {"maildrop", maildrop}}};
}

}  // namespace pop
