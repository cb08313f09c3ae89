#pragma once

#include "engine/server/prompts.h"
#include "engine/server/request_form.h"
#include "engine/server/server_options.h"

// What is found out of a server before it is measured.
namespace cotenant {

// Waits until it answers at ready_path, ready_timeout_s at most. Throws usage_error with what came instead.
void wait_until_ready(const ServerOptions& options);

// Asks for a few tokens in every form, the richest first, until it understands one. Throws usage_error with what it
// said of the plainest.
RequestForm find_form(const ServerOptions& options, const Prompts& prompts);

}  // namespace cotenant
