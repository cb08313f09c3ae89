#pragma once

#include <string>
#include <vector>

// Shared objects of cotenant's own, opened when they are needed, so that one package serves machines without a GPU.
namespace cotenant {

struct ModuleFile {
  const char* name;                    // "cotenant_cuda.so": beside the program, or in ../lib/cotenant
  const char* variable;                // of the environment, that names another path
  const char* symbol;                  // of its one function, which returns its table
  std::vector<std::string> libraries;  // sonames: of the CUDA toolkit, that it is linked with
  std::string what;                    // for errors: "the CUDA engine"
  std::string missing;                 // for errors: "this build has no CUDA engine"
  std::string remedy;                  // when it is missing, and when it or a library of its cannot be loaded
};

// Its function. It stays open until the process ends. Libraries that the system does not find are looked for where
// toolkits are (toolkit_library.h). Throws usage_error: it is not there, it cannot be loaded, or it is something else.
void* open_module_function(const ModuleFile& file);
// Throws usage_error unless the module, of that version, belongs to this program.
void require_same_version(const ModuleFile& file, const char* version);

// The module's table, which is there until the process ends. `Function`: the exported function's type.
template <typename Function>
const auto* open_module(const ModuleFile& file) {
  const auto* module = reinterpret_cast<Function>(open_module_function(file))();
  require_same_version(file, module->version);
  return module;
}

}  // namespace cotenant
