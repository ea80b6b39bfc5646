#include "auth/device_password.h"

#include <set>

#include "support/catch.h"

namespace pop {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

DevicePassword phone() {
  DevicePassword device;
  device.name = "phone";
  device.id = "0123456789abcdef";
  device.slot = 7;
  device.digest = device_digest(Secret{"0000-1111-2222-3333-4444"}).value();
  device.created = sys_seconds{seconds{1'800'000'000}};
  return device;
}

TEST_CASE("Device secrets are long, random and easy to copy", "[auth][device]") {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const Result<Secret> secret = make_device_secret();
    REQUIRE(secret);
    const std::string text{secret->octets()};
    CHECK(text.size() == 24);
    CHECK(text.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz-") == std::string::npos);
    CHECK(text[4] == '-');
    CHECK(device_digest(*secret));
    seen.insert(text);
  }
  CHECK(seen.size() == 200);
}

TEST_CASE("A device secret may be typed as people do", "[auth][device]") {
  const auto digest = device_digest(Secret{"0000-1111-2222-3333-abcd"});
  REQUIRE(digest);
  CHECK(digest == device_digest(Secret{"oO00iIlL22223333ABCD"}));
  CHECK(digest == device_digest(Secret{"0000 1111 2222 3333 abcd"}));
  CHECK(digest != device_digest(Secret{"0000-1111-2222-3333-abce"}));
  for (const char* other : {"", "secret", "0000-1111-2222-3333-abc", "0000-1111-2222-3333-abcdd",
                            "0000-1111-2222-3333-abcu", "0000_1111_2222_3333_abcd"}) {
    CAPTURE(other);
    CHECK_FALSE(device_digest(Secret{other}));
  }
}

TEST_CASE("A device is found by its secret alone", "[auth][device]") {
  std::vector<DevicePassword> devices{phone(), phone()};
  devices[1].digest = device_digest(Secret{"zzzz-1111-2222-3333-4444"}).value();
  CHECK(find_device(devices, devices[0].digest) == &devices[0]);
  CHECK(find_device(devices, devices[1].digest) == &devices[1]);
  CHECK(find_device(devices, std::string(32, 'x')) == nullptr);
  CHECK(find_device({}, devices[0].digest) == nullptr);
}

TEST_CASE("A device password has an end and a place", "[auth][device]") {
  const sys_seconds now{seconds{1'900'000'000}};
  const auto why = [now](const DevicePassword& device, std::string_view address) {
    const Result<void> checked = check_device(device, now, address);
    return checked ? std::string{} : checked.error().text;
  };
  DevicePassword device = phone();
  CHECK(why(device, "192.0.2.1").empty());
  device.expires = now + seconds{1};
  CHECK(why(device, "192.0.2.1").empty());
  device.expires = now;
  CHECK(why(device, "192.0.2.1") == "device password phone: has expired");
  device = phone();
  device.networks = "192.0.2.0/24 2001:db8::/32";
  CHECK(why(device, "192.0.2.1").empty());
  CHECK(why(device, "2001:db8::1").empty());
  for (const char* elsewhere : {"192.0.3.1", "2001:db9::1", "", "localhost"}) {
    CHECK(why(device, elsewhere) == "device password phone: not good from this address");
  }
  device = phone();
  device.newer_words = " only-on=monday";
  CHECK(why(device, "192.0.2.1") ==
        "device password phone: has limits that this version does not know");
}

TEST_CASE("A device password comes back from its text", "[auth][device]") {
  DevicePassword device = phone();
  CHECK(device_of(to_text(device)) == device);
  device.expires = sys_seconds{seconds{1'900'000'000}};
  device.rights = DevicePassword::Rights::read_only;
  device.networks = "192.0.2.0/24 2001:db8::/32";
  device.newer_words = " only-on=monday later";
  const std::string text = to_text(device);
  CHECK(device_of(text) == device);
  CHECK(text.starts_with("phone id=0123456789abcdef slot=7 sha256="));
  CHECK(
      text.ends_with(" created=1800000000 expires=1900000000 read-only "
                     "networks=192.0.2.0/24,2001:db8::/32 only-on=monday later"));
}

TEST_CASE("A damaged device password is no device password", "[auth][device]") {
  const std::string good = to_text(phone());
  REQUIRE(device_of(good));
  for (const std::string& bad :
       {std::string{}, std::string{"phone"}, good + " ", good + "  read-only", good + " expires=",
        good + " slot=7", good + " networks=", good + " networks=jo", good + " expires=-1",
        good + " read-only read-only", "-" + good, good.substr(0, good.find(" created")),
        std::string{"phone id=0123 slot=7 sha256=00 created=1"}}) {
    CAPTURE(bad);
    CHECK_FALSE(device_of(bad));
  }
}

}  // namespace
}  // namespace pop
