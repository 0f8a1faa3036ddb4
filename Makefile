# SPDX-License-Identifier: Apache-2.0
# Everything happens in .venv and build/. On a fresh machine: Python 3.11 or newer with venv, g++ 12 or newer, make.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
BUILD := build/package
WORKERS ?= 2
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

SOURCES := $(shell find src pygbt cmake -name '*.cc' -o -name '*.h' -o -name '*.inc' -o -name '*.cu' -o -name CMakeLists.txt -o -name '*.py' -o -name '*.pyi' -o -name '*.cmake') \
  CMakeLists.txt pyproject.toml
CPP_FILES := $(shell find src tests/cpp -name '*.cc' -o -name '*.h' -o -name '*.inc' -o -name '*.cu')
INSTALL := $(PY) -m pip install --quiet --no-build-isolation -C build-dir=$(BUILD)

.PHONY: bench bench-engine classic distillation demo test test-all check-kernels lint format sanitize gpu-test gpu-bench gpu-check gpu-predict clean

demo: $(VENV)/.demo
	$(VENV)/bin/pygbt demo

test: $(VENV)/.test
	$(BUILD)/pygbt_tests
	$(BUILD)/tests/cpp/kernels/pygbt_kernel_tests
	$(VENV)/bin/pytest -n $(WORKERS) -m "not slow and not gpu"

test-all: $(VENV)/.test
	$(BUILD)/pygbt_tests
	$(BUILD)/tests/cpp/kernels/pygbt_kernel_tests
	$(VENV)/bin/pytest -n $(WORKERS) -m "not gpu"

# The package is built with the tools of .venv, so that a second build is incremental.
$(VENV)/.tools: pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"]))' > $(VENV)/tools.txt
	$(PY) -m pip install --quiet --requirement $(VENV)/tools.txt "cmake>=3.24" ninja
	touch $@

$(VENV)/.demo: $(VENV)/.tools $(SOURCES)
	@echo "building and installing pygbt (about two minutes the first time)"
	$(INSTALL) ".[sklearn,cli]" "xgboost-cpu>=3.0"
	touch $@

$(VENV)/.test: $(VENV)/.tools $(SOURCES) $(wildcard tests/cpp/*)
	@echo "building and installing pygbt and the packages of the tests (a few minutes the first time)"
	$(INSTALL) -C cmake.define.PYGBT_BUILD_TESTS=ON ".[test]"
	touch $@

$(VENV)/.lint: $(VENV)/.test
	$(PY) -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["lint"]))' > $(VENV)/lint.txt
	$(PY) -m pip install --quiet --requirement $(VENV)/lint.txt
	touch $@

lint: $(VENV)/.lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/clang-format --dry-run -Werror $(CPP_FILES)

format: $(VENV)/.lint
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/clang-format -i $(CPP_FILES)

# Address and undefined behaviour: the C++ tests, and the backend seam through an instrumented extension, found before
# the installed one. Data races: the C++ tests of threads and of workers.
sanitize: $(VENV)/.test
	$(VENV)/bin/cmake --preset asan -DPython_EXECUTABLE=$(abspath $(PY)) -DCMAKE_MAKE_PROGRAM=$(abspath $(VENV)/bin/ninja)
	$(VENV)/bin/cmake --build --preset asan
	build/asan/pygbt_tests
	rm -rf build/asan/site && mkdir -p build/asan/site && cp -r pygbt build/asan/site/
	$(VENV)/bin/cmake --install build/asan --prefix build/asan/site --component python
	env PYTHONPATH=build/asan/site ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	  $(VENV)/bin/pytest tests/test_backend_seam.py $(wildcard tests/test_cut_search.py)
	$(VENV)/bin/cmake --preset tsan -DCMAKE_MAKE_PROGRAM=$(abspath $(VENV)/bin/ninja)
	$(VENV)/bin/cmake --build --preset tsan
	build/tsan/pygbt_tests thread concurrent pool workers

# Half an hour on two quiet cores. XGBoost 3.4 and hessboost need Python 3.12: make bench PYTHON=python3.12 VENV=.venv312
# BENCH narrows it: make bench BENCH="--shapes A,C --repeats 5". A peer whose held-out loss pygbt does not reach fails
# the run after the report is written.
bench: $(VENV)/.bench
	cd benchmarks && { $(abspath $(PY)) compare_peers.py $(BENCH); status=$$?; \
	  $(abspath $(PY)) -m pytest -c micro/pytest.ini --rootdir micro --save micro && \
	  $(abspath $(PY)) digests.py && $(abspath $(PY)) roofline.py && $(abspath $(PY)) report.py && exit $$status; }

# The engine's held-out scores and digests on real data, about an hour: docs/results/engine.md.
bench-engine: $(VENV)/.bench
	cd benchmarks && for script in engine_scores engine_digests softmax_hessian engine_report; do \
	  $(abspath $(PY)) $$script.py || exit 1; done

# The classical trees against published numbers, pruned, and beside scikit-learn: docs/results/classic.md. Scores that are
# there are kept; CLASSIC narrows the comparison: make classic CLASSIC="--shapes tree-dense".
classic: $(VENV)/.bench
	cd benchmarks && $(abspath $(PY)) classic_scores.py && $(abspath $(PY)) classic_pruning.py && \
	  $(abspath $(PY)) compare_classic.py $(CLASSIC) && $(abspath $(PY)) classic_report.py

# What distillation gains on real data: sections 1 and 2 of docs/results/distillation.md. Rows that are there are kept.
distillation: $(VENV)/.bench
	cd benchmarks && $(abspath $(PY)) distillation.py && $(abspath $(PY)) distillation_report.py

$(VENV)/.bench: $(VENV)/.tools $(SOURCES)
	$(INSTALL) ".[bench]"
	touch $@

# On a machine with an NVIDIA GPU, nvcc, and a Python that has pybind11, scikit-build-core, cmake, ninja, numpy, narwhals,
# safetensors, scipy and pytest: nothing is fetched. PYTHON names that Python.
GPU_PYTHON = $(abspath $(shell command -v $(PYTHON)))
GPU_PY = PYTHONPATH=$(abspath build/gpu/site)$${PYTHONPATH:+:$$PYTHONPATH} $(GPU_PYTHON)
build/gpu/.installed: $(SOURCES)
	$(GPU_PYTHON) -m pip install --quiet --no-build-isolation --no-deps --no-index --upgrade --target build/gpu/site \
	  -C build-dir=build/gpu/package -C cmake.define.PYGBT_CUDA=ON -C cmake.define.PYGBT_CUDA_ARCHITECTURES=native .
	touch $@

# Several processes share the GPU where pytest-xdist is installed, but for the tests that fill its memory. Those of
# GPU_LAWS and GPU_SEAM want hypothesis, and are left out where it is not installed.
GPU_PYTEST = $(GPU_PY) -P -m pytest -q
GPU_WORKERS = $$($(GPU_PY) -P -c 'import xdist; print("-n 8")' 2>/dev/null)
GPU_FILES := tests/test_cuda.py tests/test_device_dataset.py tests/test_device_budget.py tests/test_on_device.py tests/test_teacher.py tests/test_sharing.py
GPU_LAWS := tests/test_device_arrays.py tests/test_device_metrics.py tests/test_device_predict.py tests/test_device_predict_calls.py
GPU_SEAM := tests/test_backend_seam.py tests/test_cut_search.py tests/test_device_histograms.py tests/test_device_leaves.py
# Where there is no GPU: every load and store of the kernels judged (src/cuda/README.md); half an hour or more on two cores.
check-kernels: $(VENV)/.test
	PYGBT_EMULATOR=pygbt._cuda_checked $(VENV)/bin/pytest -n $(WORKERS) -m "not gpu and not slow" $(GPU_FILES) $(GPU_LAWS) $(GPU_SEAM)

gpu-test: build/gpu/.installed
	$(GPU_PY) -P -c 'from pygbt import devices; print(devices.load_cuda().devices())'
	$(GPU_PYTEST) $(GPU_WORKERS) -m gpu -k "not runs_out" $(GPU_FILES)
	$(GPU_PYTEST) -m gpu -k runs_out $(GPU_FILES)
	! $(GPU_PY) -P -c 'import hypothesis' || $(GPU_PYTEST) $(GPU_WORKERS) -m gpu -k "not runs_out" $(GPU_LAWS)
	! $(GPU_PY) -P -c 'import hypothesis' || $(GPU_PYTEST) -m gpu -k runs_out $(GPU_LAWS)
	! $(GPU_PY) -P -c 'import hypothesis' || PYGBT_TEST_CUDA=1 $(GPU_PYTEST) $(GPU_WORKERS) $(GPU_SEAM)

# Written to benchmarks/results/*-<gpu>.json section by section, XGBoost beside pygbt where it is installed: 8 minutes, a
# second call goes on where the first one ended. BENCH chooses: make gpu-bench BENCH="--sections A10,batch --again".
gpu-bench: build/gpu/.installed
	cd benchmarks && $(GPU_PY) gpu_bench.py $(BENCH)

# What only a GPU can show: digests by size, compute-sanitizer, leaks, Ctrl-C; docs/results/cuda.md.
gpu-check: build/gpu/.installed
	cd benchmarks && $(GPU_PY) cuda_digests.py
	cd benchmarks && $(GPU_PY) cuda_checks.py
	cd benchmarks && $(GPU_PY) cuda_digests.py --report

gpu-predict: build/gpu/.installed
	cd benchmarks && $(GPU_PY) gpu_predict.py $(BENCH)

clean:
	rm -rf build $(VENV)/.demo $(VENV)/.test $(VENV)/.bench
