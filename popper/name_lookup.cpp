#include "popper/name_lookup.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

namespace pop {
namespace {

constexpr std::size_t number_octets = 8;

bool is_of_host_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool is_numeric_address(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  return ::inet_pton(AF_INET, text.c_str(), &v4) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

std::string record_of(std::uint64_t connection, std::string_view text) {
  std::string record;
  for (std::size_t i = 0; i < number_octets; ++i) {
    record += static_cast<char>(connection >> (8 * i) & 0xff);
  }
  return record += text;
}

std::uint64_t number_in(std::string_view record) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < number_octets; ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(record[i])} << (8 * i);
  }
  return number;
}

}  // namespace

std::string encode(const NameQuestion& question) {
  return record_of(question.connection, question.address);
}

std::string encode(const NameAnswer& answer) {
  return record_of(answer.connection, answer.name);
}

Result<NameQuestion> decode_name_question(std::string_view record) {
  if (record.size() < number_octets) return fail(Errc::corrupt, "a question that is too short");
  NameQuestion question{number_in(record), std::string{record.substr(number_octets)}};
  const bool has_nul = question.address.find('\0') != std::string::npos;
  if (has_nul || !is_numeric_address(question.address)) {
    return fail(Errc::corrupt, "a question about what is no address");
  }
  return question;
}

Result<NameAnswer> decode_name_answer(std::string_view record) {
  if (record.size() < number_octets) return fail(Errc::corrupt, "an answer that is too short");
  NameAnswer answer{number_in(record), std::string{record.substr(number_octets)}};
  if (!answer.name.empty() && !is_host_name(answer.name)) {
    return fail(Errc::corrupt, "an answer that is no host name");
  }
  return answer;
}

bool is_host_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_host_name &&
         std::ranges::all_of(name, is_of_host_name);
}

}  // namespace pop
