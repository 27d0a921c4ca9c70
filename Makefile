# make demo: everything once, on a few photographs.  make test: the tests.  Both install into .venv first.
PYTHON ?= python3
# Steps of the demo's training; the default is its recipe's own.
DEMO_STEPS ?= 20
WORKERS ?= 2
BIN := .venv/bin

.PHONY: demo test test-slow test-keras test-oldest fuzz gpu lint format clean install
.NOTPARALLEL:

install: .venv/installed

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	@echo "installing rankiqa and its dependencies (PyTorch is large: several minutes on a slow line)"
	$(BIN)/pip install --quiet torch torchvision -e ".[dev]"
	touch $@

demo: install
	$(BIN)/python data_gen/make_ranks.py --workers $(WORKERS)
	$(BIN)/rankiqa rank results/demo/ranks/pristine/coffee.png results/demo/ranks/*/*/coffee.png --html results/demo/coffee.html
	$(BIN)/rankiqa heatmap results/demo/ranks/pristine/coffee.png -o results/demo/map.png
	$(BIN)/rankiqa export float32 ranks --out results/demo/start --overwrite
	bash train/train_rank.sh --config train/configs/demo.yaml --steps $(DEMO_STEPS) --overwrite
	$(BIN)/python eval/eval_all.py --model default ranks results/demo/run --names default ranks demo --out results/demo/report
	@echo "to look at: results/demo/coffee.html, results/demo/map.png, results/demo/report/comparison.html"

test: install
	$(BIN)/python -m pytest -n 2 -m "not slow and not keras and not fuzz"

test-slow: install
	$(BIN)/python -m pytest -n 2 -m slow

# Damaged and hostile files for every reader. RANKIQA_FUZZ_SEED=N tries others.
fuzz: install
	$(BIN)/python -m pytest -n 2 -m fuzz tests/fuzz

# Against Keras itself, in an environment of its own (TensorFlow, about 2 GB).
test-keras: install .venv-keras/installed
	RANKIQA_KERAS_PYTHON=$(CURDIR)/.venv-keras/bin/python $(BIN)/python -m pytest -m keras tests/keras

.venv-keras/installed: tests/keras/requirements.txt
	$(PYTHON) -m venv .venv-keras
	.venv-keras/bin/pip install --quiet -r tests/keras/requirements.txt
	touch $@

# With the oldest versions that setup.cfg promises, in an environment of its own (about 6 GB). TESTS=tests/models: a part.
OLDEST_PYTHON ?= python3.10
TESTS ?=
test-oldest: .venv-oldest/installed
	.venv-oldest/bin/python -m pytest -n 2 -m "not slow and not keras and not fuzz" --ignore tests/fuzz $(TESTS)

.venv-oldest/installed: setup.cfg .ci/oldest.py
	$(OLDEST_PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python .ci/oldest.py > .venv-oldest/oldest.txt
	.venv-oldest/bin/pip install --quiet -r .venv-oldest/oldest.txt
	.venv-oldest/bin/pip install --quiet --no-deps -e .
	touch $@

# On a machine with a GPU, with or without internet, in at most eight minutes: tests, rates, differences. GPU_OUT=FOLDER
GPU_OUT ?= results/local/gpu
gpu: install
	$(BIN)/python results/benchmarks/gpu.py --out $(GPU_OUT)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venv-keras .venv-oldest results/demo build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
