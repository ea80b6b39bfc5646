#include "base/file_attributes.h"

#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace pop {
namespace {

/// Signatures of the content, which the kernel makes for each file by itself.
bool is_made_by_kernel(std::string_view name) {
  return name == "security.ima" || name == "security.evm";
}

/// Who may not, or where the file system has no such attribute: a matter for the caller, no failure.
bool means_impossible(int error) {
  return error == EPERM || error == EACCES || error == EOPNOTSUPP;
}

/// `get` fills what it is given, or tells with no room how much there is. It may grow in between.
template <class Get>
Result<std::string> read_all(const Get& get, std::string_view doing) {
  for (int tries = 0; tries < 10; ++tries) {
    const ssize_t size = get(nullptr, 0);
    std::string bytes(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
    const ssize_t got = size > 0 ? get(bytes.data(), bytes.size()) : size;
    if (got >= 0) {
      bytes.resize(static_cast<std::size_t>(got));
      return bytes;
    }
    if (errno == ERANGE) continue;
    const int saved = errno;
    return fail_errno(saved, doing);
  }
  return fail(Errc::changed, std::string{doing} + ": they change all the time");
}

Result<std::vector<std::string>> names_of(const Fd& file) {
  const auto list = [&](char* room, std::size_t size) {
    const ssize_t got = ::flistxattr(file.get(), room, size);
    return got < 0 && errno == EOPNOTSUPP ? 0 : got;
  };
  const Result<std::string> all = read_all(list, "list extended attributes");
  if (!all) return std::unexpected(all.error());
  std::vector<std::string> names;
  for (std::size_t at = 0; at < all->size(); at += names.back().size() + 1) {
    names.emplace_back(all->c_str() + at);
  }
  std::erase_if(names, is_made_by_kernel);
  return names;
}

/// nullopt: gone, or not to be read by us.
Result<std::optional<std::string>> value_of(const Fd& file, const std::string& name) {
  int error = 0;
  const auto get = [&](char* room, std::size_t size) {
    const ssize_t got = ::fgetxattr(file.get(), name.c_str(), room, size);
    error = got < 0 ? errno : 0;
    return got;
  };
  Result<std::string> value = read_all(get, "read extended attribute " + name);
  if (value) return *std::move(value);
  if (error == ENODATA || means_impossible(error)) return std::nullopt;
  return std::unexpected(std::move(value).error());
}

Result<CopiedAttributes> after_call(int result, const std::string& doing) {
  const int saved = errno;
  if (result == 0) return CopiedAttributes::all;
  if (means_impossible(saved)) return CopiedAttributes::not_all;
  return fail_errno(saved, doing);
}

/// What is right already is left alone: a label may be readable and not to be set.
Result<CopiedAttributes> copy_one(const Fd& from, const Fd& to, const std::string& name) {
  const Result<std::optional<std::string>> wanted = value_of(from, name);
  if (!wanted) return std::unexpected(wanted.error());
  if (!*wanted) return CopiedAttributes::not_all;
  const Result<std::optional<std::string>> there = value_of(to, name);
  if (!there) return std::unexpected(there.error());
  if (*there == *wanted) return CopiedAttributes::all;
  return after_call(::fsetxattr(to.get(), name.c_str(), (*wanted)->data(), (*wanted)->size(), 0),
                    "set extended attribute " + name);
}

}  // namespace

Result<CopiedAttributes> copy_file_attributes(const Fd& from, const Fd& to) {
  const Result<std::vector<std::string>> wanted = names_of(from);
  if (!wanted) return std::unexpected(wanted.error());
  const Result<std::vector<std::string>> there = names_of(to);
  if (!there) return std::unexpected(there.error());
  for (const std::string& name : *wanted) {
    Result<CopiedAttributes> copied = copy_one(from, to, name);
    if (!copied || *copied == CopiedAttributes::not_all) return copied;
  }
  // A new file may have got what its directory hands down.
  for (const std::string& name : *there) {
    if (std::ranges::find(*wanted, name) != wanted->end()) continue;
    Result<CopiedAttributes> removed = after_call(::fremovexattr(to.get(), name.c_str()),
                                            "remove extended attribute " + name);
    if (!removed || *removed == CopiedAttributes::not_all) return removed;
  }
  return CopiedAttributes::all;
}

}  // namespace pop
