#include "base/shared_library.h"

#include <dlfcn.h>

#include "base/text.h"

namespace pop {

Result<SharedLibrary> SharedLibrary::load(const char* name) {
  // It stays: what it has registered for the end of the process, and what it keeps until then, must
  // not outlive it.
  constexpr int mode = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
  if (void* const handle = ::dlopen(name, mode)) return SharedLibrary{handle};
  const char* const why = ::dlerror();
  return fail(Errc::not_found, "the library cannot be loaded: " + escaped(why ? why : name, 512));
}

void SharedLibrary::Unload::operator()(void* handle) const noexcept {
  ::dlclose(handle);
}

void* SharedLibrary::address_of(const char* name) const {
  return ::dlsym(handle_.get(), name);
}

}  // namespace pop
