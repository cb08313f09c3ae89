#pragma once

#include "engine/native/cupti_module.h"

namespace cotenant {

// Opens the module: the file COTENANT_CUPTI_MODULE names, else cotenant_cupti.so beside the executable, else in
// ../lib/cotenant. Stays open until the process ends. Throws usage_error, with what to install, where there is none.
const CuptiModule& cupti_module();

}  // namespace cotenant
