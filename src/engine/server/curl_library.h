#pragma once

#include <curl/curl.h>

#include <optional>
#include <string>

namespace cotenant {

// The system's libcurl, opened when a tenant is a server, and never linked with: it brings some thirty libraries along,
// which no other tenant's process should load, and its TLS is to be the one that the system keeps safe. Its interface
// has been the same since 2006 (libcurl.so.4).
struct CurlLibrary {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_version) version;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
  decltype(&::curl_multi_init) multi_init;
  decltype(&::curl_multi_cleanup) multi_cleanup;
  decltype(&::curl_multi_setopt) multi_setopt;
  decltype(&::curl_multi_add_handle) multi_add_handle;
  decltype(&::curl_multi_remove_handle) multi_remove_handle;
  decltype(&::curl_multi_socket_action) multi_socket_action;
  decltype(&::curl_multi_info_read) multi_info_read;

  static const CurlLibrary& get();  // throws usage_error where there is none
};

// "libcurl/7.88.1 OpenSSL/3.0.17 ..."; none: the system has no libcurl.
std::optional<std::string> curl_version_text();

}  // namespace cotenant
