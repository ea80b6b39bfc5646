#include "tls/tls_material.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace pop {
namespace {

using Time = std::chrono::system_clock::time_point;

constexpr std::string_view magic = "popper-tls-2\n";
constexpr std::size_t largest_sealed = std::size_t{16} << 20;
constexpr std::uint32_t most_items = 10'000;

/// Grows by moving to new memory and wiping the old: keys pass through it.
class SecretWriter {
 public:
  ~SecretWriter() { wipe(octets_); }

  void raw(std::string_view octets) {
    if (octets_.capacity() - octets_.size() < octets.size()) grow(octets.size());
    octets_ += octets;
  }
  void number(std::uint64_t value) {
    std::array<char, sizeof value> octets;
    std::memcpy(octets.data(), &value, sizeof value);  // the reader runs on the same machine
    raw({octets.data(), octets.size()});
  }
  void text(std::string_view octets) {
    number(octets.size());
    raw(octets);
  }
  void time(Time value) { number(static_cast<std::uint64_t>(value.time_since_epoch().count())); }

  [[nodiscard]] Secret take() const { return Secret{octets_}; }

 private:
  void grow(std::size_t more) {
    std::string larger;
    larger.reserve(2 * (octets_.size() + more) + 4096);
    larger = octets_;
    std::swap(octets_, larger);
    wipe(larger);
  }
  std::string octets_;
};

/// After the first thing that is missing everything is empty, and ok() says so.
class Reader {
 public:
  explicit Reader(std::string_view octets) : rest_{octets} {}

  std::string_view raw(std::size_t size) {
    if (size > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view octets = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return octets;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    const std::string_view octets = raw(sizeof value);
    if (ok_) std::memcpy(&value, octets.data(), sizeof value);
    return value;
  }
  std::string_view text() { return raw(number()); }
  Time time() { return Time{Time::duration{static_cast<Time::rep>(number())}}; }
  std::uint64_t count() {
    const std::uint64_t value = number();
    if (value > most_items) ok_ = false;
    return ok_ ? value : 0;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> list;
    for (std::uint64_t left = count(); left > 0 && ok_; --left) list.emplace_back(text());
    return list;
  }
  void fail_now() { ok_ = false; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void write_texts(SecretWriter& out, const std::vector<std::string>& list) {
  out.number(list.size());
  for (const std::string& text : list) out.text(text);
}

void write_pair(SecretWriter& out, const TlsPair& pair) {
  write_texts(out, pair.chain);
  out.text(pair.key.octets());
  out.number(static_cast<std::uint64_t>(pair.kind));
  write_texts(out, pair.names);
  out.time(pair.not_before);
  out.time(pair.not_after);
  out.text(pair.ocsp_response);
  out.time(pair.ocsp_until);
  out.text(pair.title);
}

TlsPair read_pair(Reader& in) {
  TlsPair pair;
  pair.chain = in.texts();
  pair.key = Secret{in.text()};
  const std::uint64_t kind = in.number();
  if (kind > static_cast<std::uint64_t>(KeyKind::other) || pair.chain.empty()) in.fail_now();
  pair.kind = static_cast<KeyKind>(kind);
  pair.names = in.texts();
  pair.not_before = in.time();
  pair.not_after = in.time();
  pair.ocsp_response = in.text();
  pair.ocsp_until = in.time();
  pair.title = in.text();
  return pair;
}

std::string date_of(Time time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return {text.data(), size};
}

}  // namespace

Result<void> check_dates(const TlsMaterial& material, Time now) {
  for (const TlsPair& pair : material.pairs) {
    if (now > pair.not_after) {
      return fail(Errc::denied, pair.title + ": the certificate expired at " +
                                    date_of(pair.not_after) + "; renew it");
    }
    if (now < pair.not_before) {
      return fail(Errc::denied, pair.title + ": the certificate is valid only from " +
                                    date_of(pair.not_before) + " on");
    }
  }
  return {};
}

Secret encode(const TlsMaterial& material) {
  SecretWriter out;
  out.raw(magic);
  out.number(material.pairs.size());
  for (const TlsPair& pair : material.pairs) write_pair(out, pair);
  out.text(material.client_authorities);
  out.text(material.client_users);
  return out.take();
}

Result<TlsMaterial> decode_tls_material(std::string_view octets) {
  Reader in{octets};
  if (in.raw(magic.size()) != magic) return fail(Errc::corrupt, "TLS material: wrong beginning");
  TlsMaterial material;
  for (std::uint64_t left = in.count(); left > 0 && in.ok(); --left) {
    material.pairs.push_back(read_pair(in));
  }
  material.client_authorities = in.text();
  material.client_users = in.text();
  if (!in.ok() || !in.at_end()) return fail(Errc::corrupt, "TLS material: damaged");
  return material;
}

Result<Fd> seal_secret(const Secret& secret) {
  Fd memory{::memfd_create("popper-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "make memory for TLS keys");
  }
  std::string_view rest = secret.octets();
  while (!rest.empty()) {
    const ssize_t written = ::write(memory.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int saved = errno;
      return fail_errno(saved, "write TLS keys to memory");
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  constexpr int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (::fcntl(memory.get(), F_ADD_SEALS, seals) != 0) {
    const int saved = errno;
    return fail_errno(saved, "seal TLS keys");
  }
  return memory;
}

Result<Fd> open_sealed_again(const Fd& sealed) {
  const std::string path = "/proc/self/fd/" + std::to_string(sealed.get());
  Fd again{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!again.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "open sealed TLS keys");
  }
  return again;
}

Result<Secret> read_sealed(const Fd& sealed) {
  SecretWriter content;
  std::size_t size = 0;
  std::array<char, 4096> piece;
  while (true) {
    const ssize_t got = ::read(sealed.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int saved = errno;
      wipe(piece);
      return fail_errno(saved, "read TLS keys");
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > largest_sealed) return fail(Errc::limit, "TLS keys: more than 16 MiB");
    content.raw({piece.data(), static_cast<std::size_t>(got)});
  }
  wipe(piece);
  return content.take();
}

}  // namespace pop
