# SPDX-License-Identifier: Apache-2.0
# Each target calls one Python module; nothing is decided here.

PYTHON ?= python3
VENV := .venv/bin/python
OPTIONS = $(if $(CONFIG),--config $(CONFIG)) $(foreach text,$(SET),--set $(text))
export PYTHON

.PHONY: help dev test sim regress bench study verilog fpga fit program train measure lint clean
.DEFAULT_GOAL := help

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1: /p' Makefile

dev: .venv/dev.stamp  ## Set up .venv with all that developers need

test: .venv/dev.stamp  ## Run the tests (PYTEST_ARGS="-k plif")
	@$(VENV) -m pytest -n 2 $(PYTEST_ARGS)

sim: .venv/sim.stamp  ## Run a network on the generated RTL (NET, IMAGES, CONFIG, SET="field=value ...", ENERGIES, TABLE)
	@$(VENV) -m spikeloom.verif.sim $(if $(NET),--net $(NET)) $(if $(IMAGES),--images $(IMAGES)) \
		$(if $(ENERGIES),--energies $(ENERGIES)) $(if $(TABLE),--table $(TABLE)) $(OPTIONS)

regress: .venv/dev.stamp  ## Run all networks on the RTL, with more images (IMAGES), and the long tests
	@$(VENV) -m spikeloom.verif.regress $(if $(IMAGES),--images $(IMAGES))
	@$(VENV) -m pytest -n 2 -m long $(PYTEST_ARGS)

bench: .venv/bench.stamp  ## Compare processing elements on a trace (TRACE, GEOMETRY, PES, BANDWIDTH, QUICK=1)
	@$(VENV) -m spikeloom.verif.benchmark $(if $(TRACE),--trace $(TRACE)) \
		$(if $(GEOMETRY),--geometry $(GEOMETRY)) $(if $(PES),--pes $(PES)) \
		$(if $(BANDWIDTH),--bandwidth $(BANDWIDTH)) $(if $(ENERGIES),--energies $(ENERGIES)) \
		$(if $(TABLE),--table $(TABLE)) $(if $(QUICK),--quick)

study: .venv/bench.stamp  ## Measure a network on crossbars of many kinds (NET, IMAGES, CONFIG, SET, COSTS, QUICK=1)
	@$(VENV) -m spikeloom.verif.study.command $(if $(NET),--net $(NET)) \
		$(if $(IMAGES),--images $(IMAGES)) $(if $(COSTS),--costs $(COSTS)) $(OPTIONS) $(if $(QUICK),--quick)

verilog: .venv/sim.stamp  ## Write out/verilog/UNIT.v and UNIT.json (CONFIG, SET)
	@$(VENV) -m spikeloom.gen verilog $(OPTIONS)

fpga: .venv/fpga.stamp  ## Build a bitstream and report what it takes (BOARD, CONFIG, SET, SEED)
	@$(VENV) -m spikeloom.fpga.build $(BOARD) $(OPTIONS) $(if $(SEED),--seed $(SEED))

fit: .venv/fpga.stamp  ## Find the largest configuration that fits, by building (BOARD)
	@$(VENV) -m spikeloom.fpga.fit $(BOARD)

program: .venv/fpga.stamp  ## Build a bitstream and write it to the board (BOARD, CONFIG, SET, SEED)
	@$(VENV) -m spikeloom.fpga.build $(BOARD) $(OPTIONS) $(if $(SEED),--seed $(SEED)) --program

train: .venv/sim.stamp  ## Train a network again (NET)
	@$(VENV) -m spikeloom.models.zoo.$(or $(NET),dual_sparse_cnn) train

measure: .venv/sim.stamp  ## Print accuracy and sparsity of committed weights (NET)
	@$(VENV) -m spikeloom.models.zoo.$(or $(NET),dual_sparse_cnn) measure

lint: .venv/dev.stamp  ## Check style and types
	@$(VENV) -m ruff check
	@$(VENV) -m pyright

clean:  ## Remove all that was generated, but not .venv
	@rm -rf out .pytest_cache .ruff_cache .hypothesis

.venv/%.stamp: pyproject.toml constraints.txt
	@sh gen/bootstrap.sh $*
