# The front door. CMake does the work; `make` alone tells what there is.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
# Half of the tests mostly wait.
TEST_JOBS ?= $(shell expr 2 '*' $(JOBS))

# Warnings are errors where a machine builds, and advice where a person does.
WERROR := $(if $(filter true 1 yes,$(CI)),ON,OFF)
SANITIZED := $(BUILD)-asan
CHECK := $(BUILD)-check

.PHONY: help run build check bench chaos fuzz install clean
.DEFAULT_GOAL := help

help:
	@echo 'make run      build, and serve sample mail on 127.0.0.1:8110 (demo/demo) until Ctrl-C'
	@echo 'make build    build the programs: $(BUILD)/bin'
	@echo 'make check    build everything and run all tests, then the memory-checked ones'
	@echo 'make bench    measure speed'
	@echo 'make chaos    log in a thousand times while gates are killed; as root'
	@echo 'make fuzz     run every fuzz target for a minute'
	@echo 'make install  install what make build built (PREFIX=$(PREFIX), DESTDIR=)'
	@echo 'make clean    remove every build directory'

# The tests need more packages than the programs, so they join a build directory only when asked for.
build:
	@.ci/packages build
	@[ -e $(BUILD)/build.ninja ] || cmake -G Ninja -S . -B $(BUILD) -DPOPPER_TESTS=OFF \
	  -DPOPPER_WERROR=$(WERROR)
	@cmake --build $(BUILD) --parallel $(JOBS) --target programs

run: build
	@exec demo/run $(BUILD)

# One ctest over both build directories, so that one closing line counts every test.
check:
	@.ci/packages build test
	@cmake -G Ninja -S . -B $(BUILD) -DPOPPER_TESTS=ON -DPOPPER_WERROR=$(WERROR)
	@cmake --build $(BUILD) --parallel $(JOBS)
	@cmake --preset asan -B $(SANITIZED) -DPOPPER_WERROR=$(WERROR)
	@cmake --build $(SANITIZED) --parallel $(JOBS)
	@mkdir -p $(CHECK)
	@printf 'subdirs("%s" "%s")\n' '$(abspath $(BUILD))' '$(abspath $(SANITIZED))' \
	  >$(CHECK)/CTestTestfile.cmake
	@ctest --test-dir $(CHECK) --parallel $(TEST_JOBS) --output-on-failure --no-label-summary \
	  --no-tests=error --timeout 900 --label-exclude bench

bench:
	@.ci/packages build test
	@cmake -G Ninja -S . -B $(BUILD) -DPOPPER_TESTS=ON
	@cmake --build $(BUILD) --parallel $(JOBS) --target bench

chaos:
	@.ci/packages build test
	@cmake -G Ninja -S . -B $(BUILD) -DPOPPER_TESTS=ON
	@cmake --build $(BUILD) --parallel $(JOBS) --target chaos

fuzz:
	@.ci/packages build test fuzz
	@cmake --preset fuzz
	@cmake --build --preset fuzz --parallel $(JOBS) --target fuzz

install:
	@[ -x $(BUILD)/bin/popper ] || { echo 'install: run "make build" first' >&2; exit 69; }
	@DESTDIR='$(DESTDIR)' cmake --install $(BUILD) --prefix '$(PREFIX)'

clean:
	rm -rf $(BUILD) $(SANITIZED) $(CHECK) build-dev build-asan build-tsan build-fuzz build-coverage
