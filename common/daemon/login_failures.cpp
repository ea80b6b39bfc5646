#include "daemon/login_failures.h"

#include <algorithm>

namespace pop {
namespace {

using std::chrono::milliseconds;

// So many wrong secrets are remembered for each user and address, by one octet each.
constexpr std::uint32_t remembered_secrets = 16;
constexpr std::uint8_t logged_in = 1;

std::uint64_t key_of_password(const GuessKeys& guess) {
  return guess.password;  // no user's key is as small but by chance of one in 2^52
}

std::uint64_t key_of_pair(AddressKey address, const GuessKeys& guess) {
  return guess.user ^ address.value * 0x9e3779b97f4a7c15;
}

std::uint64_t key_of_repeat(AddressKey address, const GuessKeys& guess) {
  return key_of_pair(address, guess) + guess.password % remembered_secrets;
}

std::uint8_t mark_of(const GuessKeys& guess) {
  return static_cast<std::uint8_t>(guess.password / remembered_secrets);
}

}  // namespace

LoginFailures::LoginFailures(const Settings& settings, Census& census)
    : delays_{settings}, census_{census} {}

TallyMemory LoginFailures::memory(const Settings& settings) {
  return {FailureDelays{settings}.memory(), guess_memory, repeat_memory, success_memory};
}

bool LoginFailures::is_doubtful(AddressKey address, const GuessKeys& guess, Time now) const {
  return census_.failures_of(address, now, delays_.memory()).count > 0 ||
         wait(address, guess, now) > milliseconds{0};
}

milliseconds LoginFailures::left(AddressKey address, Time now) const {
  return delays_.left(census_.failures_of(address, now, delays_.memory()));
}

unsigned LoginFailures::guesses_at(std::uint64_t key, Time now) const {
  return census_.counted(Tally::guess, key, now, guess_memory).count;
}

milliseconds LoginFailures::wait(AddressKey address, const GuessKeys& guess, Time now) const {
  const unsigned of_user = guess.user == 0 ? 0 : guesses_at(guess.user, now);
  const unsigned of_password = guess.password == 0 ? 0 : guesses_at(key_of_password(guess), now);
  const milliseconds needed = std::max(delays_.shared(of_user, free_of_user),
                                       delays_.shared(of_password, free_of_password));
  if (needed == milliseconds{0}) return needed;
  const bool is_known = census_.is_marked(Tally::success, key_of_pair(address, guess), logged_in,
                                          now, success_memory);
  return is_known ? milliseconds{0} : needed;
}

bool LoginFailures::is_repeated(AddressKey address, const GuessKeys& guess, Time now) const {
  return guess.user != 0 && guess.password != 0 &&
         census_.is_marked(Tally::repeat, key_of_repeat(address, guess), mark_of(guess), now,
                           repeat_memory);
}

void LoginFailures::note_attempt(AddressKey address, Time now) {
  census_.note_attempt(address, now, delays_.memory());
}

void LoginFailures::note_failure(AddressKey address, const GuessKeys& guess, Time now) {
  if (is_repeated(address, guess, now)) {
    census_.mark(Tally::repeat, key_of_repeat(address, guess), mark_of(guess), now);
    return note_attempt(address, now);
  }
  census_.note_failure(address, now, delays_.memory());
  if (guess.user == 0) return;
  census_.count(Tally::guess, guess.user, now, guess_memory);
  if (guess.password == 0) return;
  census_.count(Tally::guess, key_of_password(guess), now, guess_memory);
  census_.mark(Tally::repeat, key_of_repeat(address, guess), mark_of(guess), now);
}

void LoginFailures::note_success(AddressKey address, const GuessKeys& guess, Time now) {
  if (guess.user == 0) return;
  census_.mark(Tally::success, key_of_pair(address, guess), logged_in, now);
}

}  // namespace pop
