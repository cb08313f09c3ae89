#include "engine/server/make_server_engine.h"

#include "base/error.h"
#ifdef COTENANT_HAVE_CURL
#include "engine/server/curl_library.h"
#include "engine/server/server_engine.h"
#endif

namespace cotenant {

#ifdef COTENANT_HAVE_CURL
std::unique_ptr<Engine> make_server_engine(const ServerOptions& options) {
  return std::make_unique<ServerEngine>(options);
}

std::optional<std::string> http_library() {
  return curl_version_text();
}
#else
std::unique_ptr<Engine> make_server_engine(const ServerOptions&) {
  throw usage_error("engine: server", "this build has no client for servers",
                    "Install libcurl4-openssl-dev and build again.");
}

std::optional<std::string> http_library() {
  return std::nullopt;
}
#endif

}  // namespace cotenant
