#pragma once

// How a product of a warpgroup names the registers of its sums in PTX: as operands 0, 1, ... of the instruction, and as
// both read and written.

#define COTENANT_SUMS_32                                                                            \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, " \
  "%21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define COTENANT_SUMS_64                                                                              \
  COTENANT_SUMS_32                                                                                    \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, " \
  "%51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define COTENANT_SUMS_72 COTENANT_SUMS_64 ", %64, %65, %66, %67, %68, %69, %70, %71"
#define COTENANT_SUMS_96                                                                              \
  COTENANT_SUMS_64                                                                                    \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, " \
  "%83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define COTENANT_SUMS_128                                                                          \
  COTENANT_SUMS_96                                                                                 \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

#define COTENANT_INOUT_8(d, i)                                                                                \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), \
      "+f"(d[i + 7])
#define COTENANT_INOUT_32_FROM(d, i) \
  COTENANT_INOUT_8(d, i), COTENANT_INOUT_8(d, i + 8), COTENANT_INOUT_8(d, i + 16), COTENANT_INOUT_8(d, i + 24)
#define COTENANT_INOUT_32(d) COTENANT_INOUT_32_FROM(d, 0)
#define COTENANT_INOUT_64(d) COTENANT_INOUT_32(d), COTENANT_INOUT_32_FROM(d, 32)
#define COTENANT_INOUT_72(d) COTENANT_INOUT_64(d), COTENANT_INOUT_8(d, 64)
#define COTENANT_INOUT_96(d) COTENANT_INOUT_64(d), COTENANT_INOUT_32_FROM(d, 64)
#define COTENANT_INOUT_128(d) COTENANT_INOUT_96(d), COTENANT_INOUT_32_FROM(d, 96)
