# A thin front for CMake; everything real is in CMakeLists.txt and scripts/.
JOBS ?= $(shell nproc)
export CLICOLOR_FORCE =

.PHONY: all deps deps-test release debug asan tsan clang fuzz run test soak bench check clean install help

all: release ## build build/release/nightjar

deps: ## install what a build and a run need (Debian 12)
	@scripts/deps.sh run

deps-test: ## install the peers that tests and benchmarks use
	@scripts/deps.sh test

release: ## build the program alone, optimised, into build/release
	@[ -f build/release/build.ninja ] || cmake --preset release -Wno-dev >/dev/null
	@cmake --build --preset release -j $(JOBS) --target nightjar

debug asan tsan clang fuzz: ## build a preset, tests and all, into build/<preset>
	@[ -f build/$@/build.ninja ] || cmake --preset $@ -Wno-dev >/dev/null
	@cmake --build --preset $@ -j $(JOBS)

run: ## set up everything and run the demonstration (DEMO_SECONDS=20 ends by itself)
	@scripts/deps.sh run --quiet
	@$(MAKE) --no-print-directory release
	@scripts/demo.sh

test: ## set up everything and run all tests
	@scripts/deps.sh run --quiet
	@scripts/deps.sh test --quiet
	@scripts/test.sh

soak: ## long kill and fuzz loops
	@scripts/deps.sh run --quiet
	@scripts/deps.sh test --quiet
	@scripts/soak.sh

bench: release ## measurements beside the field's peers
	@scripts/deps.sh test --quiet
	@bench/run.sh

check: ## the rules of style that a machine can check
	@scripts/check-style.sh

install: release ## install the binary, the manual page and the completion below $(DESTDIR)/usr
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix /usr

clean: ## remove all builds
	rm -rf build

help: ## this list
	@grep -hE '^[a-z -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([^:]+):.*## (.*)/\1|\2/' | awk -F'|' '{ printf "  %-32s %s\n", $$1, $$2 }'
