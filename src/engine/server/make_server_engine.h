#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "engine/server/server_options.h"

// What the rest of the house sees of this folder: it also stands in builds without libcurl's header.
namespace cotenant {

// Throws usage_error where this build or the system has no libcurl.
std::unique_ptr<Engine> make_server_engine(const ServerOptions& options);

// "libcurl/7.88.1 OpenSSL/3.0.17 ..."; none: the build or the system has no libcurl.
std::optional<std::string> http_library();

}  // namespace cotenant
