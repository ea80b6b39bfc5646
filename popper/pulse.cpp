#include "popper/pulse.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace pop {

Result<Fd> Pulse::create() {
  Fd memory{::memfd_create("popper-pulse", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  // Whoever could shrink it would kill the master at its next look.
  constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (!memory.is_open() || ::ftruncate(memory.get(), sizeof(Words)) != 0 ||
      ::fcntl(memory.get(), F_ADD_SEALS, seals) != 0) {
    const int saved = errno;
    return fail_errno(saved, "make memory for a pulse");
  }
  return memory;
}

Result<Pulse> Pulse::open(const Fd& memory) {
  struct stat st {};
  if (::fstat(memory.get(), &st) != 0 || st.st_size != sizeof(Words)) {
    return fail(Errc::corrupt, "the memory of a pulse has a wrong size");
  }
  void* const at =
      ::mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (at == MAP_FAILED) {
    const int saved = errno;
    return fail_errno(saved, "map a pulse");
  }
  ::madvise(at, sizeof(Words), MADV_DONTFORK);
  return Pulse{static_cast<Words*>(at)};
}

Pulse::Pulse(Pulse&& other) noexcept : words_{std::exchange(other.words_, nullptr)} {}

Pulse& Pulse::operator=(Pulse other) noexcept {
  std::swap(words_, other.words_);
  return *this;
}

Pulse::~Pulse() {
  if (words_ != nullptr) ::munmap(words_, sizeof(Words));
}

namespace {

std::optional<Pulse::Time> moment_in(std::int64_t value) {
  if (value == 0) return std::nullopt;
  return Pulse::Time{Pulse::Time::duration{value}};
}

}  // namespace

void Pulse::mark(Time now) {
  words_->busy_since.store(now.time_since_epoch().count());
}

void Pulse::clear() {
  words_->busy_since.store(0);
}

void Pulse::show_life(Time now) {
  words_->last_sign.store(now.time_since_epoch().count());
}

void Pulse::part(Parting how) {
  words_->parting.store(static_cast<std::int64_t>(how));
}

std::optional<Pulse::Time> Pulse::marked() const {
  return moment_in(words_->busy_since.load());
}

std::optional<Pulse::Time> Pulse::last_sign() const {
  return moment_in(words_->last_sign.load());
}

Pulse::Parting Pulse::parting() const {
  const std::int64_t value = words_->parting.load();
  const bool is_known = value >= 0 && value <= static_cast<int>(Parting::gate_broke_rules);
  return is_known ? static_cast<Parting>(value) : Parting::none;
}

}  // namespace pop
