#pragma once

#include <memory>

#include "base/error.h"

namespace pop {

/// A library that is loaded when a service needs it, so that nobody else carries it.
class SharedLibrary {
 public:
  /// By its run-time name, as "libx.so.3". Errc::not_found when it cannot be loaded; the text names
  /// it. Reads files.
  [[nodiscard]] static Result<SharedLibrary> load(const char* name);

  /// Puts the function's address into `function`; false when the library has none of that name.
  /// `function` may not be called after this object has gone.
  template <class Function>
  [[nodiscard]] bool find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(address_of(name));
    return function != nullptr;
  }

 private:
  struct Unload {
    void operator()(void* handle) const noexcept;
  };
  explicit SharedLibrary(void* handle) : handle_{handle} {}
  [[nodiscard]] void* address_of(const char* name) const;
  std::unique_ptr<void, Unload> handle_;
};

}  // namespace pop
