#pragma once

#include <string>

#include "auth/credential_db.h"
#include "auth/device_use.h"
#include "tool/json.h"

namespace pop {

/// One line about a device password: "phone, made ..., never used".
[[nodiscard]] std::string text_of(const DevicePassword& device, const DeviceUses& uses);
[[nodiscard]] Json json_of(const DevicePassword& device, const DeviceUses& uses);
[[nodiscard]] Json json_of(const Credential::Virtual& who);

}  // namespace pop
