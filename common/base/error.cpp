#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace pop {
namespace {

Errc code_of(int saved_errno) {
  switch (saved_errno) {
    case ENOENT:
    case ENOTDIR:
      return Errc::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
      return Errc::denied;
    case EAGAIN:
    case EBUSY:
    case EEXIST:  // somebody else was first
    case ETXTBSY:
      return Errc::busy;
    case ESTALE:
      return Errc::changed;
    case ENOSPC:
    case EDQUOT:
      return Errc::full;
    case EFBIG:
    case ENAMETOOLONG:
    case EMFILE:
    case ENFILE:
      return Errc::limit;
    default:
      return Errc::io;
  }
}

}  // namespace

Error Error::in(std::string_view doing) && {
  std::string whole{doing};
  whole += ": ";
  whole += text;
  text = std::move(whole);
  return std::move(*this);
}

std::unexpected<Error> fail(Errc code, std::string text) {
  return std::unexpected(Error{code, std::move(text)});
}

Error errno_error(int saved_errno, std::string_view doing) {
  std::string text{doing};
  text += ": ";
  text += std::generic_category().message(saved_errno);
  return Error{code_of(saved_errno), std::move(text)};
}

std::unexpected<Error> fail_errno(int saved_errno, std::string_view doing) {
  return std::unexpected(errno_error(saved_errno, doing));
}

}  // namespace pop
