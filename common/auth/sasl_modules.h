#pragma once

#include <sasl/sasl.h>

#include <array>

#include "pop3/sasl_mechanisms.h"

namespace pop {

/// Whether libsasl2 would find the file that has the mechanism.
[[nodiscard]] bool is_sasl_module_installed(const SaslMechanism& mechanism);

/// Where the library's own packages put its modules: beside it. Its environment variable does not
/// count.
[[nodiscard]] const char* sasl_module_directory();

/// What both ends of an exchange let libsasl2 load and read: the modules of mechanisms that we
/// know, and no configuration file. `answer_option` replies to each question about the latter. The
/// library refers to them as long as it is in use.
using SaslOptionAnswer = int(void*, const char*, const char*, const char**, unsigned*);
[[nodiscard]] std::array<sasl_callback_t, 5> sasl_global_callbacks(SaslOptionAnswer* answer_option);

/// The library gives every function the type of its name back.
template <class Function>
sasl_callback_t sasl_callback(unsigned long id, Function* function, void* context = nullptr) {
  return {id, reinterpret_cast<int (*)()>(reinterpret_cast<void (*)()>(function)), context};
}

}  // namespace pop
