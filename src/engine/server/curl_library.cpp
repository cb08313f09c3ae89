#include "engine/server/curl_library.h"

#include <dlfcn.h>

#include "base/error.h"

namespace cotenant {
namespace {

template <class Function>
void resolve(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr)
    throw usage_error("libcurl", std::string(name) + " is missing in it", "Install a newer one.");
}

CurlLibrary open_curl() {
  void* library = nullptr;
  for (const char* name : {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4"})
    if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw usage_error("engine: server", "needs libcurl, and the system has none", "apt-get install libcurl4");
  CurlLibrary curl{};
  resolve(library, "curl_global_init", curl.global_init);
  resolve(library, "curl_version", curl.version);
  resolve(library, "curl_easy_init", curl.easy_init);
  resolve(library, "curl_easy_cleanup", curl.easy_cleanup);
  resolve(library, "curl_easy_setopt", curl.easy_setopt);
  resolve(library, "curl_easy_getinfo", curl.easy_getinfo);
  resolve(library, "curl_easy_strerror", curl.easy_strerror);
  resolve(library, "curl_slist_append", curl.slist_append);
  resolve(library, "curl_slist_free_all", curl.slist_free_all);
  resolve(library, "curl_multi_init", curl.multi_init);
  resolve(library, "curl_multi_cleanup", curl.multi_cleanup);
  resolve(library, "curl_multi_setopt", curl.multi_setopt);
  resolve(library, "curl_multi_add_handle", curl.multi_add_handle);
  resolve(library, "curl_multi_remove_handle", curl.multi_remove_handle);
  resolve(library, "curl_multi_socket_action", curl.multi_socket_action);
  resolve(library, "curl_multi_info_read", curl.multi_info_read);
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw usage_error("libcurl", "does not start");
  return curl;
}

}  // namespace

const CurlLibrary& CurlLibrary::get() {
  static const CurlLibrary curl = open_curl();
  return curl;
}

std::optional<std::string> curl_version_text() {
  try {
    return CurlLibrary::get().version();
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace cotenant
